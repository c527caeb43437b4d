# Shared by onboard.sh and offboard.sh, which source it: options, which subscriptions, and how to run a command.
# shellcheck shell=sh disable=SC2034

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
template="$here/../onboarding/subscription.json"

group_name=rg-exemption-guardrails-events
topic_name=evgt-exemption-guardrails
event_subscriptions='on-exemption-written on-exemption-deleted on-scope-changed'
function_app=${GUARDRAILS_FUNCTION_APP_ID:-}
dead_letter_account=${GUARDRAILS_DEAD_LETTER_ACCOUNT_ID:-}
dead_letter_container=${GUARDRAILS_DEAD_LETTER_CONTAINER:-dead-letters}
events_identity=${GUARDRAILS_EVENTS_IDENTITY_ID:-}
principal=${GUARDRAILS_PRINCIPAL_ID:-}
management_group=
subscriptions=
dry_run=

say() { printf '%s\n' "$*"; }

# Exit status 2: it could not begin.
fail() {
    printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
    exit 2
}

# Change something; with --dry-run only say so.
change() {
    if [ -n "$dry_run" ]; then
        say "  would run: $*"
    else
        "$@" >/dev/null
    fi
}

need_az() {
    command -v az >/dev/null 2>&1 || fail 'the Azure CLI (az) is not installed: https://aka.ms/azure-cli'
    az account show --output none 2>/dev/null || fail 'az is not logged in: run `az login` first'
}

add_subscription() {
    case $1 in
        ????????-????-????-????-????????????) subscriptions="$subscriptions $(printf %s "$1" | tr 'A-F' 'a-f')" ;;
        *) fail "'$1' is no subscription id, such as 00000000-0000-0000-0000-000000000000" ;;
    esac
}

# One id a line; what follows a # is a comment.
add_file() {
    [ -r "$1" ] || fail "cannot read $1"
    while read -r line || [ -n "$line" ]; do
        id=$(printf %s "${line%%#*}" | tr -d '[:space:]')
        [ -z "$id" ] || add_subscription "$id"
    done <"$1"
}

# Every subscription below a management group, at any depth, page by page.
add_descendants() {
    url="/providers/Microsoft.Management/managementGroups/$1/descendants?api-version=2020-05-01"
    while [ -n "$url" ]; do
        page=$(az rest --method get --url "$url" --output tsv \
            --query "[[nextLink || '-'], value[?ends_with(type, '/subscriptions')].name][]") ||
            fail "cannot list the subscriptions below management group '$1': is the name right, and may you read it?"
        url=
        for word in $page; do
            case $word in
                - | '') ;;
                http*) url=$word ;;
                *) add_subscription "$word" ;;
            esac
        done
    done
}

# Print the id of the subscription's system topic for its own events; nothing where it has none. Azure allows one.
find_topic() {
    ids=$(az resource list --subscription "$1" --resource-type Microsoft.EventGrid/systemTopics \
        --query '[].id' --output tsv) || return 1
    for id in $ids; do
        kind=$(az resource show --ids "$id" --query properties.topicType --output tsv) || return 1
        case $(printf %s "$kind" | tr 'A-Z' 'a-z') in
            microsoft.resources.subscriptions)
                say "$id"
                return 0
                ;;
        esac
    done
}

# The resource group, and the last name, of a resource id.
group_of() { printf %s "$1" | cut -d/ -f5; }
name_of() { printf %s "${1##*/}"; }

lower() { printf %s "$1" | tr 'A-Z' 'a-z'; }

# Do $1 for each subscription; go on after a failure, and say at the end how it went.
for_each() {
    done_count=0
    failed=
    for subscription in $subscriptions; do
        say "subscription $subscription"
        if "$1" "$subscription"; then
            done_count=$((done_count + 1))
        else
            failed="$failed $subscription"
        fi
    done
    say "$2: $done_count$([ -z "$dry_run" ] || printf ' (dry run: nothing was changed)')"
    [ -z "$failed" ] || say "failed:$failed"
}
