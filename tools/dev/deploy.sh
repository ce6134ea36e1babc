# ./dev deploy [options of cdk deploy]: builds the program and deploys the stack into the account of the environment's credentials.

. tools/dev/cloud.sh

dev_deploy() {
    local architecture=arm64
    [[ " $* " != *"architecture=x86_64 "* ]] || architecture=x86_64
    need cloud
    bash "$PWD/dev" lambda "$architecture" || die "deploy: the program could not be built"
    cloud_tools || die "deploy: the tools could not be installed"
    cdk deploy "$@"
}
