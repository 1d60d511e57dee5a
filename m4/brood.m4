dnl brood.m4: what configure.ac would otherwise repeat.

dnl BROOD_TRY_CFLAG(VARIABLE, FLAG): appends FLAG to VARIABLE if the compiler takes it silently.
AC_DEFUN([BROOD_TRY_CFLAG],[
	AC_MSG_CHECKING([whether $CC accepts $2])
	brood_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $2"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]],[[return puts("") < 0;]])],
		[AC_MSG_RESULT([yes])
		$1="$$1 $2"],
		[AC_MSG_RESULT([no])])
	CFLAGS=$brood_save_CFLAGS
])

dnl BROOD_TRY_LDFLAG(VARIABLE, FLAG): the same for the linker.
AC_DEFUN([BROOD_TRY_LDFLAG],[
	AC_MSG_CHECKING([whether the linker accepts $2])
	brood_save_LDFLAGS=$LDFLAGS
	LDFLAGS="$LDFLAGS $2"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([],[])],
		[AC_MSG_RESULT([yes])
		$1="$$1 $2"],
		[AC_MSG_RESULT([no])])
	LDFLAGS=$brood_save_LDFLAGS
])

AC_DEFUN([BROOD_ARG_SANITIZERS],[
	AC_ARG_ENABLE([sanitizers],[AS_HELP_STRING([--enable-sanitizers],
		[build with the address and undefined-behaviour sanitizers])])
	SANITIZE_CFLAGS=
	AS_IF([test "x$enable_sanitizers" = xyes],[
		SANITIZE_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"])
	AC_SUBST([SANITIZE_CFLAGS])
	AM_CONDITIONAL([SANITIZERS],[test "x$enable_sanitizers" = xyes])
])

AC_DEFUN([BROOD_ARG_COVERAGE],[
	AC_ARG_ENABLE([coverage],[AS_HELP_STRING([--enable-coverage],
		[count executed lines; "make coverage" makes a report with gcovr])])
	COVERAGE_CFLAGS=
	AS_IF([test "x$enable_coverage" = xyes],[COVERAGE_CFLAGS="--coverage -O0"])
	AC_SUBST([COVERAGE_CFLAGS])
])

AC_DEFUN([BROOD_ARG_FUZZING],[
	AC_ARG_ENABLE([fuzzing],[AS_HELP_STRING([--enable-fuzzing],
		[link the fuzz targets with libFuzzer (CC=clang); else they only replay their corpus])])
	FUZZ_CFLAGS=
	FUZZ_LDFLAGS=
	AS_IF([test "x$enable_fuzzing" = xyes],[
		BROOD_TRY_CFLAG([FUZZ_CFLAGS],[-fsanitize=fuzzer-no-link])
		AS_IF([test -z "$FUZZ_CFLAGS"],
			[AC_MSG_ERROR([--enable-fuzzing needs libFuzzer: configure with CC=clang])])
		FUZZ_LDFLAGS=-fsanitize=fuzzer])
	AC_SUBST([FUZZ_CFLAGS])
	AC_SUBST([FUZZ_LDFLAGS])
	AM_CONDITIONAL([FUZZING],[test "x$enable_fuzzing" = xyes])
])

AC_DEFUN([BROOD_ARG_WERROR],[
	AC_ARG_ENABLE([werror],[AS_HELP_STRING([--enable-werror],[make warnings errors])])
	WERROR_CFLAGS=
	AS_IF([test "x$enable_werror" = xyes],[WERROR_CFLAGS=-Werror])
	AC_SUBST([WERROR_CFLAGS])
])

AC_DEFUN([BROOD_WARNING_FLAGS],[
	WARN_CFLAGS=
	m4_foreach_w([flag],[-std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes
		-Wmissing-prototypes -Wold-style-definition -Wpointer-arith
		-Wformat=2 -Wvla -Wundef -Wduplicated-cond],
		[BROOD_TRY_CFLAG([WARN_CFLAGS],flag)])
	AC_SUBST([WARN_CFLAGS])
])

dnl The fortified libc needs an optimising build and confuses the sanitizers.
AC_DEFUN([BROOD_HARDENING_FLAGS],[
	HARDEN_CFLAGS=
	HARDEN_LDFLAGS=
	AS_IF([test "x$enable_sanitizers" != xyes && test "x$enable_coverage" != xyes],
		[BROOD_TRY_CFLAG([HARDEN_CFLAGS],[-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2])])
	m4_foreach_w([flag],[-fstack-protector-strong -fstack-clash-protection -fPIE],
		[BROOD_TRY_CFLAG([HARDEN_CFLAGS],flag)])
	m4_foreach([flag],[[-pie],[[-Wl,-z,relro]],[[-Wl,-z,now]]],
		[BROOD_TRY_LDFLAG([HARDEN_LDFLAGS],flag)])
	AC_SUBST([HARDEN_CFLAGS])
	AC_SUBST([HARDEN_LDFLAGS])
])

dnl BROOD_NEED_MODULE(PREFIX, MODULE, DEBIAN-PACKAGE)
AC_DEFUN([BROOD_NEED_MODULE],[
	PKG_CHECK_MODULES([$1],[$2],[],
		[AC_MSG_ERROR([$2 not found by pkg-config: install $3])])
])

dnl brood-hello compiles the C sources of llhttp: Debian has them, but no library.
AC_DEFUN([BROOD_WITH_LLHTTP],[
	AC_ARG_WITH([llhttp],[AS_HELP_STRING([--with-llhttp=DIR],
		[directory of llhttp's api.c, http.c and llhttp.c @<:@/usr/share/llhttp@:>@])],
		[],[with_llhttp=/usr/share/llhttp])
	AC_MSG_CHECKING([for the C sources of llhttp])
	for brood_file in api.c http.c llhttp.c; do
		AS_IF([test -r "$with_llhttp/$brood_file"],[],
			[AC_MSG_RESULT([no])
			AC_MSG_ERROR([$with_llhttp/$brood_file not found: install node-llhttp, or pass --with-llhttp=DIR])])
	done
	LLHTTP_INCLUDEDIR=
	for brood_dir in "$with_llhttp" "$with_llhttp/../include/llhttp" "$with_llhttp/../include"; do
		AS_IF([test -z "$LLHTTP_INCLUDEDIR" && test -r "$brood_dir/llhttp.h"],
			[LLHTTP_INCLUDEDIR=$brood_dir])
	done
	AS_IF([test -z "$LLHTTP_INCLUDEDIR"],
		[AC_MSG_RESULT([no])
		AC_MSG_ERROR([llhttp.h not found near $with_llhttp: install node-llhttp])])
	AC_MSG_RESULT([$with_llhttp])
	AC_SUBST([LLHTTP_SRCDIR],[$with_llhttp])
	AC_SUBST([LLHTTP_INCLUDEDIR])
])

dnl BROOD_WITH_DIR(OPTION, VARIABLE, DEFAULT): an installation directory that can be changed.
AC_DEFUN([BROOD_WITH_DIR],[
	AC_ARG_WITH([$1],[AS_HELP_STRING([--with-$1=DIR],[default $3])],
		[$2=$withval],[$2='$3'])
	AC_SUBST([$2])
])

dnl Units of a package for /usr go where systemd says; others stay below their prefix (systemd
dnl looks into /usr/local/lib/systemd/system, too), so that make install needs no more rights.
dnl Type=notify-reload is known from systemd 253 on; an older one would quietly take the unit
dnl for Type=simple, so there it becomes Type=notify with a synchronous ExecReload.
AC_DEFUN([BROOD_SYSTEMD_UNIT],[
	AC_ARG_WITH([systemdsystemunitdir],[AS_HELP_STRING([--with-systemdsystemunitdir=DIR],
		[directory of systemd's units; "no" for none])],[],[with_systemdsystemunitdir=yes])
	AS_IF([test "x$with_systemdsystemunitdir" = xyes],[
		with_systemdsystemunitdir='${prefix}/lib/systemd/system'
		AS_IF([test "x$prefix" = x/usr],
			[PKG_CHECK_VAR([brood_unitdir],[systemd],[systemdsystemunitdir],
				[with_systemdsystemunitdir=$brood_unitdir],[:])])])
	AC_SUBST([systemdsystemunitdir],[$with_systemdsystemunitdir])
	AM_CONDITIONAL([SYSTEMD],[test "x$with_systemdsystemunitdir" != xno])
	AC_ARG_WITH([systemd-version],[AS_HELP_STRING([--with-systemd-version=N],
		[version of systemd the unit is written for])],
		[brood_systemd=$withval],[brood_systemd=`$PKG_CONFIG --modversion systemd 2>/dev/null`])
	AS_IF([test "0${brood_systemd%%@<:@!0-9@:>@*}" -ge 253],
		[UNIT_TYPE=notify-reload],[UNIT_TYPE=notify])
	AC_SUBST([UNIT_TYPE])
	AM_CONDITIONAL([NOTIFY_RELOAD],[test "$UNIT_TYPE" = notify-reload])
])
