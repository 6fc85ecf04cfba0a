# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# apt.sh: a package configuration of our own, beside the machine's. Sourced
# after lib.sh.
#
# Kernel source and a recent QEMU come from Debian suites that a machine does not
# have switched on. The machine's own configuration under /etc/apt is read (for
# the mirror, proxies and credentials) and never written: sources, lists and
# downloads of these suites live under $CACHE/apt. Signatures are checked
# against Debian's archive keyring, as apt always does.

APT_ETC=${APT_ETC:-/etc/apt}
APT_KEYRING=${APT_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

# os_field NAME: a field of /etc/os-release.
os_field() {
	# shellcheck disable=SC1090,SC1091
	(. "${OS_RELEASE:-/etc/os-release}" 2>/dev/null && eval "printf '%s' \"\${$1:-}\"")
}

# apt_sources: every enabled binary source of the machine, one "URI SUITE" a
# line, from one-line (.list) and deb822 (.sources) files alike.
apt_sources() {
	local f
	for f in "$APT_ETC"/sources.list "$APT_ETC"/sources.list.d/*.list; do
		[ -f "$f" ] || continue
		# deb [options] URI SUITE COMPONENT...
		sed -nE 's/^[[:space:]]*deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^[:space:]#]+)[[:space:]]+([^[:space:]#]+).*/\2 \3/p' "$f"
	done
	for f in "$APT_ETC"/sources.list.d/*.sources; do
		[ -f "$f" ] || continue
		awk '
		function flush(  i, j, nu, ns, u, s) {
			if (types ~ /(^| )deb( |$)/ && tolower(enabled) !~ /^ *(no|false|0|off)/) {
				nu = split(uris, u, " "); ns = split(suites, s, " ")
				for (i = 1; i <= nu; i++)
					for (j = 1; j <= ns; j++)
						print u[i], s[j]
			}
			types = uris = suites = enabled = field = ""
		}
		/^[[:space:]]*#/ { next }
		/^[[:space:]]*$/ { flush(); next }
		/^[^[:space:]:]+:/ {
			field = tolower($0); sub(/:.*/, "", field)
			value = $0; sub(/^[^:]*:[[:space:]]*/, "", value)
			add(field, value); next
		}
		{ add(field, $0) }
		function add(f, v) {
			gsub(/[[:space:]]+/, " ", v)
			if (f == "types") types = types " " v
			else if (f == "uris") uris = uris " " v
			else if (f == "suites") suites = suites " " v
			else if (f == "enabled") enabled = v
		}
		END { flush() }' "$f"
	done
}

# apt_mirror: the mirror that this machine takes its Debian packages from.
apt_mirror() {
	local codename
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		echo "$DEBIAN_MIRROR"
		return
	fi
	codename=$(os_field VERSION_CODENAME)
	apt_sources | awk -v c="$codename" '
		$1 ~ /^cdrom:/ { next }
		$2 == c || ($2 ~ /^(stable|testing|unstable|sid)$/ && $1 ~ /debian\/?$/) { print $1; exit }'
}

# apt_private SUITE...: write the private configuration for these suites of
# the machine's mirror and leave the options that select it in APT_PRIVATE.
apt_private() {
	local mirror dir
	mirror=$(apt_mirror)
	[ -n "$mirror" ] || die "no Debian mirror found in $APT_ETC" \
		"name one: make DEBIAN_MIRROR=<address of a Debian mirror> ..." \
		"or use a kernel tree of your own: make KERNEL_SRC=<directory> ..."
	[ -f "$APT_KEYRING" ] || die "Debian's archive keys are missing ($APT_KEYRING)" \
		"install the package debian-archive-keyring" \
		"or use a kernel tree of your own: make KERNEL_SRC=<directory> ..."
	dir=$CACHE/apt
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	cat > "$dir/$1.sources" <<-END
		Types: deb
		URIs: $mirror
		Suites: $*
		Components: main
		Signed-By: $APT_KEYRING
	END
	APT_PRIVATE=(
		-o "Dir::Etc::sourcelist=$dir/$1.sources"
		-o "Dir::Etc::sourceparts=/dev/null"
		-o "Dir::State::Lists=$dir/lists"
		-o "Dir::Cache=$dir/cache"
		-o "APT::Get::List-Cleanup=0"
		-o "APT::Sandbox::User=root"
		-o "Acquire::Languages=none"
		-o "Acquire::Retries=3"
	)
}

# apt_run LOG COMMAND...: run an apt command quietly; when it fails, say in
# one line why (from LOG, which keeps all it printed) and return its status.
apt_run() {
	local log=$1 status=0
	shift
	mkdir -p "$(dirname "$log")"
	"$@" > "$log" 2>&1 < /dev/null || status=$?
	# "update" answers success for lists that it could not get. That of "install" is to be believed: without
	# /dev/pts, in a container, it has a line that begins with "E: " for a log of its own.
	if [ $status = 0 ] && [[ " $* " = *" update "* ]] && grep -qE '^(Err:|W: Failed to fetch|E: )' "$log"; then
		status=100
	fi
	APT_REASON=
	[ $status != 0 ] || return 0
	if grep -qE 'Could not resolve|Temporary failure resolving|Could not connect|Network is unreachable|Connection (timed out|refused)|Unable to connect|No route to host' "$log"; then
		APT_REASON="no network: the package mirror cannot be reached"
	elif grep -qE 'NO_PUBKEY|EXPKEYSIG|BADSIG|is not signed|signatures? (couldn|could not|were invalid)|OpenPGP' "$log"; then
		APT_REASON="apt refuses the signature of the package lists (is debian-archive-keyring up to date?)"
	elif grep -qE 'Unable to locate package|has no installation candidate|was not found' "$log"; then
		APT_REASON=$(grep -m 1 -E 'Unable to locate package|has no installation candidate|was not found' "$log" | sed 's/^E: //')
	elif grep -qE 'Could not get lock|Unable to acquire|Unable to lock' "$log"; then
		APT_REASON="another package manager is running"
	elif grep -qE 'No space left' "$log"; then
		APT_REASON="no space left on the disk"
	else
		APT_REASON=$(grep -E '^(E|Err|W): ?' "$log" | tail -n 1 | sed -E 's/^(E|W): //')
		APT_REASON=${APT_REASON:-"apt failed with status $status"}
	fi
	return $status
}
