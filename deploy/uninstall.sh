#!/bin/sh
# Removes the Tocsin agent or collector. Data and edited configuration stay unless --purge is given.
set -eu

usage() {
    cat <<'TEXT'
usage: uninstall.sh agent|collector [--purge] [--prefix DIR] [--root DIR]

  --purge        remove data (/var/lib/tocsin/…), edited configuration and the user too; it cannot be undone
  --prefix DIR   as given to install.sh (default /usr/local)
  --root DIR     as given to install.sh

Without --purge there remain: the data, and the configuration files that somebody edited.
TEXT
}

fail() {
    echo "uninstall.sh: $1" >&2
    exit 1
}

part='' purge=no prefix=/usr/local root=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        agent | collector)
            [ -z "$part" ] || fail "agent and collector are removed one at a time: run it twice"
            part=$1
            ;;
        --purge) purge=yes ;;
        --prefix | --root)
            [ $# -ge 2 ] || fail "$1 needs a value: see --help"
            if [ "$1" = --prefix ]; then prefix=$2; else root=$2; fi
            shift
            ;;
        *) fail "unknown argument \`$1\`: see --help" ;;
    esac
    shift
done
[ -n "$part" ] || fail "say what to remove, agent or collector: see --help"
case $prefix in
    /*) ;;
    *) fail "--prefix must begin with /" ;;
esac
if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
    fail "it must run as root"
fi

name=tocsin-$part
case $part in
    agent) user=tocsin-agent files=agent.toml ;;
    collector) user=tocsin files=collector.toml ;;
esac
etc=$root/etc/tocsin
default=$root$prefix/share/tocsin/default

# remove_config FILE: goes when it is as we laid it, or with --purge.
remove_config() {
    if [ "$purge" = yes ] || { [ -f "$default/$1" ] && cmp -s "$default/$1" "$etc/$1"; }; then
        rm -f "$etc/$1"
    elif [ -e "$etc/$1" ]; then
        echo "kept    $etc/$1 (edited)"
    fi
    rm -f "$etc/$1.new" "$default/$1"
}

# Folders that hold nothing any more.
sweep() {
    for folder in "$@"; do
        if [ -d "$folder" ]; then rmdir "$folder" 2>/dev/null || true; fi
    done
}

if [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
    systemctl disable --now "$name.service" 2>/dev/null || true
    if [ "$part" = agent ]; then systemctl disable --now tocsin-errand.socket 2>/dev/null || true; fi
fi
if [ "$part" = agent ]; then
    rm -f "$root/etc/systemd/system/tocsin-errand.socket" "$root/etc/systemd/system/tocsin-errand@.service" \
        "$root$prefix/bin/tocsin-agent-exec"
fi
rm -f "$root/etc/systemd/system/$name.service" "$root$prefix/bin/$name" "$root$prefix/lib/sysusers.d/$name.conf"
if [ "$purge" = yes ]; then rm -rf "$root/etc/systemd/system/$name.service.d"; fi
if [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
    systemctl daemon-reload
fi

for file in $files; do
    remove_config "$file"
done
if [ "$part" = collector ]; then
    for rules in "$default"/rules.d/*.toml; do
        if [ -e "$rules" ]; then remove_config "rules.d/${rules##*/}"; fi
    done
    if [ "$purge" = yes ]; then rm -rf "$etc/rules.d"; fi
fi
sweep "$etc/rules.d" "$etc" "$default/rules.d" "$default" "$root$prefix/share/tocsin" "$root$prefix/lib/sysusers.d"

if [ "$purge" = yes ]; then
    rm -rf "$root/var/lib/tocsin/$part"
    if [ -z "$root" ] && id "$user" >/dev/null 2>&1; then
        userdel "$user" || echo "kept    the user $user: it is still in use"
    fi
elif [ -d "$root/var/lib/tocsin/$part" ]; then
    sweep "$root/var/lib/tocsin/$part"
    if [ -d "$root/var/lib/tocsin/$part" ]; then echo "kept    $root/var/lib/tocsin/$part (data; --purge removes it)"; fi
fi
sweep "$root/var/lib/tocsin"
echo "removed $name"
