# ./dev deploy [options of cdk deploy]: builds the program and deploys the stack into the account of the environment's credentials.

. tools/dev/cloud.sh

dev_deploy() {
    local architecture
    architecture=$(stack_architecture "$@") || die "deploy: deploy/cdk/cdk.json cannot be read"
    need cloud
    bash "$PWD/dev" lambda "$architecture" || die "deploy: the program could not be built"
    cloud_tools || die "deploy: the tools could not be installed"
    cdk deploy "$@" --context "architecture=$architecture" # just what was built
}

# What the switch `architecture` says, as CDK reads it: the last one among these options, else that of cdk.json.
stack_architecture() {
    local architecture option before=''
    architecture=$(python -c 'import json; print(json.load(open("deploy/cdk/cdk.json")).get("context", {}).get("architecture", ""))') || return
    for option in "$@"; do
        [[ ! $before =~ ^(-c|--context)$ ]] || option=--context=$option
        [[ ! $option =~ ^(-c=?|--context=)architecture=(.*)$ ]] || architecture=${BASH_REMATCH[2]}
        before=$option
    done
    printf '%s\n' "${architecture:-arm64}"
}
