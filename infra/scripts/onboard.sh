#!/bin/sh
# Onboards subscriptions without the policy: deploys infra/onboarding/subscription.json to each. See docs/onboarding.md.
set -eu
. "$(dirname -- "$0")/common.sh"

usage() {
    cat <<'TEXT'
usage: onboard.sh --location REGION (--subscription ID ... | --file FILE | --management-group NAME) [option ...]

Makes the system topic and the event subscriptions of the exemption guardrails in subscriptions that are there now.
Run it again whenever you like: it brings each subscription to the same state. The function app's code must be deployed.

  --subscription ID           a subscription; repeat it for more
  --file FILE                 a file with one subscription id a line
  --management-group NAME     every subscription below it
  --location REGION           of the resource group that is made in each subscription
  --target-types A,B          types whose writes and deletes wake the guardrails up: `exg targets`
  --tags KEY=VALUE            of the resource group and the topic; repeat it for more
  --use-existing-topic        where a subscription has a system topic of its own already, add to that one
  --system-assigned           each topic writes dead letters with an identity of its own
  --group-name NAME, --topic-name NAME
  --dry-run                   show what would be done, and change nothing

What main.bicep made, by default from its outputs in the environment (azd env get-values):
  --function-app ID           GUARDRAILS_FUNCTION_APP_ID
  --dead-letter-account ID    GUARDRAILS_DEAD_LETTER_ACCOUNT_ID
  --dead-letter-container N   GUARDRAILS_DEAD_LETTER_CONTAINER
  --events-identity ID        GUARDRAILS_EVENTS_IDENTITY_ID

exit status: 0 all onboarded; 1 some failed; 2 it could not begin
TEXT
}

location=
target_types=
tags=
use_existing=
identity_kind=UserAssigned
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --dry-run) dry_run=yes && shift && continue ;;
        --use-existing-topic) use_existing=yes && shift && continue ;;
        --system-assigned) identity_kind=SystemAssigned && shift && continue ;;
    esac
    [ $# -ge 2 ] || fail "'$1' is no option, or its value is missing; --help shows them all"
    case $1 in
        --subscription) add_subscription "$2" ;;
        --file) add_file "$2" ;;
        --management-group) management_group=$2 ;;
        --location) location=$2 ;;
        --target-types) target_types=$2 ;;
        --tags)
            case $2 in *[\"\\]*) fail "a tag may not hold quotes or backslashes here: $2" ;; *=*) ;; *) fail "'$2' is not KEY=VALUE" ;; esac
            tags="$tags${tags:+, }\"${2%%=*}\": \"${2#*=}\""
            ;;
        --group-name) group_name=$2 ;;
        --topic-name) topic_name=$2 ;;
        --function-app) function_app=$2 ;;
        --dead-letter-account) dead_letter_account=$2 ;;
        --dead-letter-container) dead_letter_container=$2 ;;
        --events-identity) events_identity=$2 ;;
        *) fail "unknown option '$1'; --help shows them all" ;;
    esac
    shift 2
done

[ -n "$location" ] || fail '--location is missing'
[ -n "$function_app" ] || fail 'whose events? Give --function-app, or set GUARDRAILS_FUNCTION_APP_ID'
[ -n "$dead_letter_account" ] || fail 'where do dead letters go? Give --dead-letter-account, or set GUARDRAILS_DEAD_LETTER_ACCOUNT_ID'
[ "$identity_kind" = SystemAssigned ] || [ -n "$events_identity" ] ||
    fail 'who writes dead letters? Give --events-identity, or set GUARDRAILS_EVENTS_IDENTITY_ID, or say --system-assigned'
[ "$identity_kind" = UserAssigned ] || events_identity=
types=$(printf %s "$target_types" | tr -d ' ' | sed -e 's/,/", "/g' -e 's/..*/"&"/')
[ "$(printf %s "$target_types" | tr -cd , | wc -c)" -lt 11 ] || fail 'at most 11 target types: Event Grid takes 25 values'

need_az
[ -z "$management_group" ] || add_descendants "$management_group"
[ -n "$subscriptions" ] || fail 'no subscription: give --subscription, --file or --management-group'

# The policy's version is another: where it is assigned too, it deploys once more, to the same state.
version=script-$({
    cat "$template"
    say "$function_app $dead_letter_account $dead_letter_container $identity_kind $events_identity $types $tags"
} | cksum | cut -d' ' -f1)

onboard() {
    topic=$(find_topic "$1") || {
        say '  FAILED: its resources cannot be listed; are the id and your rights right?'
        return 1
    }
    group=$group_name
    name=$topic_name
    make_topic=true
    if [ -n "$topic" ] && [ "$(lower "$(group_of "$topic")/$(name_of "$topic")")" != "$(lower "$group/$name")" ]; then
        if [ -z "$use_existing" ]; then
            say "  FAILED: it has a system topic already, and Azure allows one: $topic"
            say '  Give that topic the identity for dead letters, and run this again with --use-existing-topic.'
            return 1
        fi
        group=$(group_of "$topic")
        name=$(name_of "$topic")
        make_topic=false
        say "  adds to the system topic that is there: $topic"
    fi
    change az provider register --namespace Microsoft.EventGrid --subscription "$1" --wait &&
        change az deployment sub create --subscription "$1" --name guardrails-onboarding --location "$location" \
            --template-file "$template" --output none --parameters \
            "functionAppId=$function_app" \
            "deadLetterAccountId=$dead_letter_account" \
            "deadLetterContainer=$dead_letter_container" \
            "deadLetterIdentity=$identity_kind" \
            "eventsIdentityId=$events_identity" \
            "targetTypes=[$types]" \
            "version=$version" \
            "location=$location" \
            "groupName=$group" \
            "topicName=$name" \
            "makeTopic=$make_topic" \
            "tags={$tags}" || {
        say '  FAILED: Azure says why above. Run this again when it is fixed; what is done stays done.'
        return 1
    }
    say "  event subscriptions: $event_subscriptions"
}

for_each onboard onboarded
[ -z "$failed" ] || exit 1
