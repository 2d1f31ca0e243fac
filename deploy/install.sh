#!/bin/sh
# Installs the Tocsin agent or collector: binary, systemd unit, user, commented default configuration; enrols the host.
# Running it again upgrades: an edited configuration stays, and the new default is laid beside it as FILE.new.
set -eu

usage() {
    cat <<'TEXT'
usage: install.sh agent     --binary FILE [--enrol FILE|-] [--prefix DIR] [--root DIR] [--no-start]
       install.sh collector --binary FILE                  [--prefix DIR] [--root DIR] [--no-start]

  --binary FILE    the tocsin-agent or tocsin-collector to install; a tocsin-agent-exec in the same folder, the small
                   program behind `tocsin-agent backup exec`, goes with the agent
  --enrol FILE|-   enrol this host with the install string in FILE, or on standard input with `-`;
                   `tocsin-collector token create` on the collector prints one. It never appears in a process list.
                   A host that is already enrolled stays as it is.
  --prefix DIR     the binary goes to DIR/bin (default /usr/local)
  --root DIR       install below DIR for a package or an image: no user is made, nothing is started
  --no-start       do not enable and start the service

On the collector:  install.sh collector --binary ./tocsin-collector
                   tocsin-collector token create --host-name db1 > install-string
On a host:         install.sh agent --binary ./tocsin-agent --enrol install-string
TEXT
}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
part='' binary='' enrol='' prefix=/usr/local root='' start=yes

while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        agent | collector)
            [ -z "$part" ] || fail "agent and collector are installed one at a time: run it twice"
            part=$1
            ;;
        --binary | --enrol | --prefix | --root)
            [ $# -ge 2 ] || fail "$1 needs a value: see --help"
            case $1 in
                --binary) binary=$2 ;;
                --enrol) enrol=$2 ;;
                --prefix) prefix=$2 ;;
                --root) root=$2 ;;
            esac
            shift
            ;;
        --no-start) start=no ;;
        *) fail "unknown argument \`$1\`: see --help" ;;
    esac
    shift
done

[ -n "$part" ] || fail "say what to install, agent or collector: see --help"
[ -n "$binary" ] || fail "--binary is missing: see --help"
[ -f "$binary" ] && [ -x "$binary" ] || fail "$binary is not an executable file"
[ -z "$enrol" ] || [ "$part" = agent ] || fail "--enrol belongs to the agent"
[ -z "$enrol" ] || [ "$enrol" = - ] || [ -r "$enrol" ] || fail "cannot read the install string in $enrol"
case $prefix in
    /*) ;;
    *) fail "--prefix must begin with /" ;;
esac
case "$prefix$root" in
    *[!A-Za-z0-9/._+-]*) fail "--prefix and --root may hold letters, digits and / . _ + - only" ;;
esac
if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
    fail "it must run as root (or with --root DIR to prepare a package)"
fi

name=tocsin-$part
case $part in
    agent) user=tocsin-agent ;;
    collector) user=tocsin ;;
esac
bin=$prefix/bin/$name
state=/var/lib/tocsin/$part
etc=$root/etc/tocsin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Does a systemd run here that we may speak to?
live() {
    [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null
}

# lay SOURCE TARGET MODE: replaces TARGET in one step, so that a running binary or a reader is never disturbed.
lay() {
    mkdir -p "$(dirname "$2")"
    cp "$1" "$2.tocsin-new"
    chmod "$3" "$2.tocsin-new"
    mv -f "$2.tocsin-new" "$2"
}

# lay_config SOURCE TARGET MODE: what an administrator edited stays, and what they removed stays away. What was laid last
# time is remembered in PREFIX/share, so that an untouched file follows an upgrade and an edited one does not.
lay_config() {
    laid=$root$prefix/share/tocsin/default/${2#"$etc/"}
    if [ ! -e "$2" ] && [ -f "$laid" ]; then
        echo "kept    $2 away (it was removed)"
    elif [ ! -e "$2" ] || { [ -f "$laid" ] && cmp -s "$laid" "$2"; }; then
        lay "$1" "$2" "$3"
        rm -f "$2.new"
    elif cmp -s "$1" "$2"; then
        rm -f "$2.new"
    elif [ ! -f "$laid" ] || ! cmp -s "$1" "$laid"; then
        lay "$1" "$2.new" "$3"
        echo "kept    $2 (edited); the new default is $2.new"
    fi
    lay "$1" "$laid" 644
}

make_user() {
    [ -z "$root" ] || return 0
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers "$prefix/lib/sysusers.d/$name.conf" || fail "systemd-sysusers could not make the user $user"
    elif ! id "$user" >/dev/null 2>&1; then
        useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$user" ||
            fail "useradd could not make the user $user"
        # What systemd-sysusers does by itself: the agent reads the journal, for what the kernel says.
        if [ "$part" = agent ] && getent group systemd-journal >/dev/null 2>&1; then
            usermod -a -G systemd-journal "$user" || echo "the kernel's messages will not be watched: $user is not in systemd-journal"
        fi
    fi
}

own() {
    [ -n "$root" ] || chown "$@"
}

enrol_host() {
    cat -- "$1" >"$work/install-string"
    [ -s "$work/install-string" ] || fail "the install string is empty"
    if [ -e "$root$state/identity" ]; then
        echo "kept    the identity of this host; to replace it: tocsin-agent enrol --again"
        return
    fi
    # As the agent's own user, so that key and certificate are its own from the first moment.
    if [ -n "$root" ]; then
        "$root$bin" enrol --install-file - --state-dir "$root$state" <"$work/install-string"
    elif command -v runuser >/dev/null; then
        runuser -u "$user" -- "$bin" enrol --install-file - --state-dir "$state" <"$work/install-string"
    else
        su -s /bin/sh "$user" -c "exec '$bin' enrol --install-file - --state-dir '$state'" <"$work/install-string"
    fi || fail "the host is not enrolled (see above); the rest is installed: run install.sh again with a new install string"
}

lay "$binary" "$root$bin" 755
if [ "$part" = agent ]; then
    # Of the same release as the agent: an old one must not stay when the new release has none beside it.
    small=$(dirname "$binary")/tocsin-agent-exec
    if [ -f "$small" ] && [ -x "$small" ]; then
        lay "$small" "$root$bin-exec" 755
    else
        rm -f "$root$bin-exec"
        echo "note    no tocsin-agent-exec beside $binary: \`$name backup exec\` works, and takes more memory"
    fi
fi

# The units say where the binary is.
units=$name.service
if [ "$part" = agent ]; then units="$units tocsin-errand@.service tocsin-errand.socket"; fi
for unit in $units; do
    sed "s#^ExecStart=/usr/local/bin/#ExecStart=$prefix/bin/#" "$here/systemd/$unit" >"$work/$unit"
    lay "$work/$unit" "$root/etc/systemd/system/$unit" 644
done
lay "$here/systemd/$name.sysusers.conf" "$root$prefix/lib/sysusers.d/$name.conf" 644
make_user

# Made by systemd at start too; here for enrolment, and for machines without it.
mkdir -p "$root$state"
chmod 700 "$root$state"
own "$user:$user" "$root$state"

case $part in
    agent)
        lay_config "$here/etc/agent.toml" "$etc/agent.toml" 644
        ;;
    collector)
        # A database's address may bear a password: readable by the collector alone.
        lay_config "$here/etc/collector.toml" "$etc/collector.toml" 640
        for file in "$etc/collector.toml" "$etc/collector.toml.new"; do
            if [ -e "$file" ]; then own "root:$user" "$file"; fi
        done
        for rules in "$here"/etc/rules.d/*.toml; do
            lay_config "$rules" "$etc/rules.d/${rules##*/}" 644
        done
        ;;
esac

[ -z "$enrol" ] || enrol_host "$enrol"

if live; then
    systemctl daemon-reload
    if [ "$start" = yes ] && { [ "$part" = collector ] || [ -e "$state/identity" ]; }; then
        if [ "$part" = agent ]; then
            systemctl enable tocsin-errand.socket
            systemctl restart tocsin-errand.socket
        fi
        systemctl enable "$name.service"
        systemctl restart "$name.service" ||
            fail "$name does not start: see \`journalctl -u $name\` and \`$name check\`"
    fi
fi

echo "laid    $root$bin"
echo "config  $etc/$part.toml"
if [ "$part" = agent ] && [ -z "$enrol" ] && [ ! -e "$root$state/identity" ]; then
    echo "next    enrol this host: install.sh agent --binary $binary --enrol FILE"
elif [ "$part" = collector ]; then
    echo "next    $name user add NAME --role administrator, then $name token create for each host"
fi
if [ -z "$root" ] && ! live; then
    echo "note    no systemd runs here: start \`$bin run\` as user $user by other means"
fi
