# A thread that has answered waits 0.2 s for its client's next request, so that each busy keep-alive
# client holds one: more threads than such clients, or new ones wait.
threads 1, 16

# Ends with 0 after TERM, and not by the signal.
raise_exception_on_sigterm false
