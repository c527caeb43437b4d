#!/bin/sh
# Puts the addresses of notice routes and the signing keys into the vault. They are read from a prompt that shows nothing,
# or from standard input, and go to Azure in a file that only you can read: never as an argument, which other users of this
# machine could see, and never on the screen.
set -eu

usage() {
    cat <<'TEXT'
Usage: secrets.sh --vault NAME [--missing | --generate] SETTING...

  SETTING      an app setting that the ruleset names, such as TEAMS_WEBHOOK_URL or AUDIT_WEBHOOK_SECRET
  --vault      name of the vault: the output GUARDRAILS_VAULT of the deployment
  --missing    ask only for what the vault does not have, and take an empty answer for: not now
  --generate   make up signing keys (whsec_ and 32 random bytes) instead of asking; what receives the webhooks needs
               the same, which who is to set it up there reads with: az keyvault secret show

Without a terminal, each SETTING takes one line of standard input, in the order given; with --missing nothing is asked.
The app sees a new value within a day; at once after: az functionapp restart. An unchanged value makes no new version.
TEXT
}

fail() {
    printf 'secrets.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

vault='' generate='' missing=''
while [ $# -gt 0 ]; do
    case $1 in
        --vault) [ $# -ge 2 ] || fail '--vault needs a name' 2; vault=$2; shift 2 ;;
        --generate) generate=yes; shift ;;
        --missing) missing=yes; shift ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; fail "unknown option $1" 2 ;;
        *) break ;;
    esac
done
[ -n "$vault" ] || { usage >&2; fail 'say which vault: --vault NAME' 2; }
[ $# -gt 0 ] || [ -z "$missing" ] || exit 0
[ $# -gt 0 ] || { usage >&2; fail 'say which settings' 2; }
for setting; do
    case $setting in
        '' | [!A-Za-z]* | *[!A-Za-z0-9_]*) fail "'$setting' is not the name of an app setting" 2 ;;
    esac
done
command -v az >/dev/null || fail 'the Azure CLI (az) is missing'

umask 077
folder=$(mktemp -d)
restore=''
tidy() {
    [ -z "$restore" ] || stty "$restore" </dev/tty
    rm -rf "$folder"
}
trap tidy EXIT
trap 'exit 130' HUP INT TERM

# Leaves the value of a setting in $folder/value, without a line end.
take() {
    line=''
    if [ -n "$generate" ]; then
        line="whsec_$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
    elif [ -t 0 ]; then
        restore=$(stty -g </dev/tty)
        stty -echo </dev/tty
        printf '%s (not shown): ' "$1" >&2
        IFS= read -r line || :
        stty "$restore" </dev/tty
        restore=''
        printf '\n' >&2
    else
        IFS= read -r line || [ -n "$line" ] || fail "standard input has no line for $1"
    fi
    printf '%s' "$line" >"$folder/value"
    line=''
}

# What az said, unless it repeats the value.
reason() {
    if grep -qF -f "$folder/value" "$folder/error"; then
        printf 'az refused it; its message repeats the value and is not shown'
    else
        head -n 1 "$folder/error" | cut -c 1-300
    fi
}

# The vault takes A-Z, a-z, 0-9 and hyphens only: modules/functions.bicep makes the same names for its references.
for setting; do
    name=$(printf '%s' "$setting" | tr 'A-Z_' 'a-z-')
    az keyvault secret show --vault-name "$vault" --name "$name" --query value --output tsv \
        >"$folder/old" 2>/dev/null || : >"$folder/old"
    if [ -n "$missing" ] && { [ -s "$folder/old" ] || [ ! -t 0 ]; }; then
        if [ -s "$folder/old" ]; then printf '%s: there\n' "$setting"; else printf '%s: missing\n' "$setting"; fi
        continue
    fi
    take "$setting"
    if [ ! -s "$folder/value" ]; then
        [ -n "$missing" ] || fail "$setting: nothing was given; nothing was set"
        printf '%s: missing\n' "$setting"
        continue
    fi
    if [ "$(cat "$folder/old")" = "$(cat "$folder/value")" ]; then
        printf '%s: unchanged\n' "$setting"
        continue
    fi
    az keyvault secret set --vault-name "$vault" --name "$name" --file "$folder/value" --encoding utf-8 \
        --content-type "app setting $setting" --output none >/dev/null 2>"$folder/error" ||
        fail "$setting was not set: $(reason)"
    printf '%s: set\n' "$setting"
done
