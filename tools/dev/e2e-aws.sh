# ./dev e2e-aws [options of unittest]: builds the program for AWS Lambda, deploys it with the whole stack into an emulated cloud on
# loopback (twice: the second checks signatures and policies), and asks it in all shapes. Says what it sees.

. tools/dev/cloud.sh

dev_e2e-aws() {
    need cloud
    bash "$PWD/dev" lambda x86_64 || die "e2e-aws: the program could not be built"
    cloud_tools || die "e2e-aws: the tools could not be installed"
    cd tests/cloud || return
    # CI=true: what is missing is a failure here, and no reason to leave a test out.
    CI=true TERTULIA_CLOUD_TOOLS=$cloud_venv TERTULIA_CLOUD_TELL=${TERTULIA_CLOUD_TELL:-1} python -B -m unittest test_end_to_end "$@"
}
