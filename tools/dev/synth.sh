# ./dev synth [options of cdk synth]: the template of what would be deployed, checked; needs no account, and no network once its tools are installed.

. tools/dev/cloud.sh

dev_synth() {
    local template=build/cdk/Tertulia.template.json zip
    need cloud
    cloud_tools || die "synth: the tools could not be installed"
    rm -rf build/cdk
    cdk synth --quiet "$@" || die "synth: no template"
    "$cloud_venv/bin/cfn-lint" --ignore-checks W3005 -- "$template" || die "synth: cfn-lint finds fault with $template"
    say "$template: $(python -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["Resources"]))' "$template") resources; cdk-nag and cfn-lint find nothing."
    zip=$(find build/cdk -name 'asset.*.zip' -print -quit)
    if [[ -n $zip ]]; then
        say "The program: $zip, $(stat --dereference --format=%s "$zip") bytes."
    else
        say "The program: a PLACEHOLDER that only fails, since there is no build/lambda/*/tertulia.zip. ./dev lambda makes it."
    fi
}
