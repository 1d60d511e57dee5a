module example.org/brood-http

go 1.19
