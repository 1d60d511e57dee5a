module example.org/recipe

go 1.19
