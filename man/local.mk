# The manuals, written by hand in mdoc:
#   dist_man_MANS += man/brood.1 man/broodd.8 man/brood.conf.5 man/brood-protocol.7
dist_man_MANS += man/brood.conf.5
dist_man_MANS += man/brood-protocol.7
dist_man_MANS += man/brood.1
dist_man_MANS += man/broodd.8
dist_man_MANS += man/libbrood.3
