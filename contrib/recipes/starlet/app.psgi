# A PSGI application: / says who answers, /io?ms=N waits before.
use strict;
use warnings;
use Time::HiRes ();

sub {
    my $env = shift;
    if ($env->{PATH_INFO} eq '/io' && $env->{QUERY_STRING} =~ /^ms=([0-9]{1,5})$/) {
        Time::HiRes::sleep($1 / 1000);
    }
    my $body = "pid $$\n";
    return [200, [
        'Content-Type' => 'text/plain', 'Content-Length' => length $body, 'X-Worker' => $$,
    ], [$body]];
};
