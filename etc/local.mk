# The sample configuration becomes the configuration only where there is none yet, and is taken
# away again only as long as nobody has touched it.
EXTRA_DIST += etc/brood.conf
brood_confdir = $(DESTDIR)$(sysconfdir)/brood

install-data-local:
	$(MKDIR_P) "$(brood_confdir)"
	test -e "$(brood_confdir)/brood.conf" || \
		$(INSTALL_DATA) $(srcdir)/etc/brood.conf "$(brood_confdir)/brood.conf"

uninstall-local:
	if cmp -s $(srcdir)/etc/brood.conf "$(brood_confdir)/brood.conf"; then \
		rm -f "$(brood_confdir)/brood.conf"; \
	fi
	-rmdir "$(brood_confdir)" 2>/dev/null
