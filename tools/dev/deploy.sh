# ./dev deploy [options of cdk deploy]: builds the program and deploys the stack into the account of the environment's credentials.

. tools/dev/cloud.sh

dev_deploy() {
    need cloud
    bash "$PWD/dev" lambda || die "deploy: the program could not be built"
    cloud_tools || die "deploy: the tools could not be installed"
    CDK_DISABLE_CLI_TELEMETRY=1 cdk deploy "$@"
}
