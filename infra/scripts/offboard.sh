#!/bin/sh
# Takes out what onboarding made: the policy, event subscriptions, system topics, roles. See docs/onboarding.md.
set -eu
. "$(dirname -- "$0")/common.sh"

usage() {
    cat <<'TEXT'
usage: offboard.sh (--subscription ID ... | --file FILE | --management-group NAME) [option ...]

Removes the event subscriptions of the exemption guardrails, their system topic and its resource group, where nothing
else is in them. With --management-group also the onboarding policy and its identity's roles, the roles of the app, the
custom roles, and the diagnostic setting of its activity log. Run it again whenever you like.

  --subscription ID           a subscription; repeat it for more
  --file FILE                 a file with one subscription id a line
  --management-group NAME     it, and every subscription below it
  --principal ID              object id of the app's identity; by default GUARDRAILS_PRINCIPAL_ID
  --function-app ID, --dead-letter-account ID, --events-identity ID
                              where the policy's identity has roles; by default GUARDRAILS_FUNCTION_APP_ID and so on
  --role-suffix TEXT          as it was given to management-group.bicep
  --activity-log-group NAME   another management group in activityLogGroups; repeat it for more
  --group-name NAME, --topic-name NAME
  --dry-run                   show what would be done, and change nothing

exit status: 0 all done; 1 some failed; 2 it could not begin
TEXT
}

policy_name=guardrails-onboarding
definition_name=exemption-guardrails-onboarding
settings_version=2021-05-01-preview
activity_log_groups=
role_suffix=
trouble=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --dry-run) dry_run=yes && shift && continue ;;
    esac
    [ $# -ge 2 ] || fail "'$1' is no option, or its value is missing; --help shows them all"
    case $1 in
        --subscription) add_subscription "$2" ;;
        --file) add_file "$2" ;;
        --management-group) management_group=$2 ;;
        --principal) principal=$2 ;;
        --function-app) function_app=$2 ;;
        --dead-letter-account) dead_letter_account=$2 ;;
        --events-identity) events_identity=$2 ;;
        --role-suffix) role_suffix=$2 ;;
        --activity-log-group) activity_log_groups="$activity_log_groups $2" ;;
        --group-name) group_name=$2 ;;
        --topic-name) topic_name=$2 ;;
        *) fail "unknown option '$1'; --help shows them all" ;;
    esac
    shift 2
done

need_az
scope="/providers/Microsoft.Management/managementGroups/$management_group"
[ -z "$management_group" ] || add_descendants "$management_group"
[ -n "$subscriptions$management_group" ] || fail 'no subscription: give --subscription, --file or --management-group'

try() { change "$@" || trouble=yes; }

# Take all roles of principal $1 at scope $2.
take_roles() {
    assignments=$(az role assignment list --scope "$2" --query "[?principalId=='$1'].id" --output tsv) || {
        say "  FAILED: the role assignments at $2 cannot be listed"
        trouble=yes
        return 0
    }
    for assignment in $assignments; do
        # A list at a scope shows what is inherited, too.
        case $(lower "$assignment") in
            "$(lower "$2")"/providers/microsoft.authorization/*) try az role assignment delete --ids "$assignment" ;;
        esac
    done
}

# The policy goes first: it would make again what is deleted below.
remove_policy() {
    say "policy assignment $policy_name"
    identity=$(az policy assignment list --scope "$scope" --query "[?name=='$policy_name'].identity.principalId" --output tsv) || {
        say '  FAILED: the policy assignments cannot be listed'
        trouble=yes
        return 0
    }
    if [ -z "$identity" ]; then
        say '  is not there'
    else
        for place in "$scope" "$function_app" "$dead_letter_account" "$dead_letter_account/blobServices/default/containers/$dead_letter_container" "$events_identity" "${function_app%%/providers/*}"; do
            case $place in /providers/* | /subscriptions/*) take_roles "$identity" "$place" ;; esac
        done
        try az policy assignment delete --name "$policy_name" --scope "$scope"
    fi
    definition=$(az policy definition list --management-group "$management_group" --query "[?name=='$definition_name'].name" --output tsv) || trouble=yes
    [ -z "$definition" ] || try az policy definition delete --name "$definition_name" --management-group "$management_group"
}

remove_roles() {
    say 'roles'
    if [ -n "$principal" ]; then
        take_roles "$principal" "$scope"
    else
        say '  the app keeps its roles: --principal, or GUARDRAILS_PRINCIPAL_ID, is not given'
    fi
    for role in Reader Enforcer Restorer Onboarder; do
        id=$(az role definition list --custom-role-only true --scope "$scope" \
            --query "[?roleName=='Exemption Guardrails $role$role_suffix'].name" --output tsv) || trouble=yes
        [ -z "$id" ] || try az role definition delete --name "$id" --scope "$scope"
    done
    group=${function_app%%/providers/*}
    [ -z "$group" ] && return 0
    for role in 'of the Host' 'in the Group of the Host'; do
        id=$(az role definition list --custom-role-only true --scope "$group" \
            --query "[?roleName=='Exemption Guardrails Onboarder $role$role_suffix'].name" --output tsv) || trouble=yes
        [ -z "$id" ] || try az role definition delete --name "$id" --scope "$group"
    done
}

remove_activity_log() {
    say 'diagnostic settings of the activity log'
    for group in "$management_group" $activity_log_groups; do
        settings="/providers/Microsoft.Management/managementGroups/$group/providers/Microsoft.Insights/diagnosticSettings"
        there=$(az rest --method get --url "$settings?api-version=$settings_version" \
            --query "value[?name=='exemption-guardrails'].name" --output tsv) || {
            say "  FAILED: those of $group cannot be listed"
            trouble=yes
            continue
        }
        [ -z "$there" ] || try az rest --method delete --url "$settings/exemption-guardrails?api-version=$settings_version"
    done
}

offboard() {
    topic=$(find_topic "$1") || {
        say '  FAILED: its resources cannot be listed; are the id and your rights right?'
        return 1
    }
    if [ -z "$topic" ]; then
        say '  has no system topic'
        return 0
    fi
    group=$(group_of "$topic")
    name=$(name_of "$topic")
    there=$(az eventgrid system-topic event-subscription list --subscription "$1" --resource-group "$group" \
        --system-topic-name "$name" --query '[].name' --output tsv) || return 1
    others=
    for one in $there; do
        case " $event_subscriptions " in
            *" $one "*)
                change az eventgrid system-topic event-subscription delete --subscription "$1" --resource-group "$group" \
                    --system-topic-name "$name" --name "$one" --yes || return 1
                ;;
            *) others="$others $one" ;;
        esac
    done
    if [ -n "$others" ] || [ "$(lower "$group/$name")" != "$(lower "$group_name/$topic_name")" ]; then
        say "  the system topic stays, it is others' too: $topic"
        return 0
    fi
    more=$(az resource list --subscription "$1" --resource-group "$group" --query "[?id!='$topic'].id" --output tsv) || return 1
    if [ -n "$more" ]; then
        change az eventgrid system-topic delete --subscription "$1" --resource-group "$group" --name "$name" --yes || return 1
        say "  the resource group $group stays: there are other resources in it"
    else
        change az group delete --subscription "$1" --name "$group" --yes || return 1
    fi
}

[ -z "$management_group" ] || remove_policy
for_each offboard offboarded
if [ -n "$management_group" ]; then
    remove_roles
    remove_activity_log
else
    say "Where the policy $policy_name is assigned above, it makes this again: exclude the subscription (excludedScopes)."
fi
cat <<'TEXT'
What stays: the function app, and the register with its history. The hourly sweep goes on where the app may still read.
Preventive policies (assignments exemption-guardrails, guardrails-deny, tag-exceptions, inherit-exception-tags) go on as they are.
Keep the register as long as you need the record: `exg register export --out FILE` takes a copy.
TEXT
[ -z "$failed$trouble" ] || exit 1
