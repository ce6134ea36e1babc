# ./dev cdk ARGUMENT...: CDK's own command line (bootstrap, diff, destroy, ...) for the stack of deploy/cdk.

. tools/dev/cloud.sh

dev_cdk() {
    need cloud
    cloud_tools || die "cdk: the tools could not be installed"
    cdk "$@"
}
