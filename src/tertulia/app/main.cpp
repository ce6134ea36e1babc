// The program: reads the command line and runs the command.

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>

#include "tertulia/app/config_document.h"
#include "tertulia/app/config_loader.h"
#include "tertulia/app/create_tables.h"
#include "tertulia/app/run_lambda.h"
#include "tertulia/app/serve.h"
#include "tertulia/base/nearest_name.h"
#include "tertulia/cli/chat_command.h"
#include "tertulia/cli/usage_command.h"

namespace {

using namespace tertulia;

constexpr int exit_usage = 2;

app::Environment read_environment() {
    app::Environment environment;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view text(*entry);
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return environment;
}

// The options that set a key of the configuration, with what was given.
struct ConfigOptions {
    std::string config_file;
    std::string listen, store, model, workers, log_level;
    bool insecure = false;

    void add_to(CLI::App& command) {
        command.add_option("--config", config_file, "The configuration file (docs/configuration.md)")
            ->type_name("FILE");
        command.add_option("--listen", listen, "Where to listen; port 0 takes a free one")->type_name("HOST:PORT");
        command.add_option("--store", store, "Where sessions are kept: sqlite:PATH, memory: or dynamodb:")
            ->type_name("STORE");
        command.add_option("--model", model, "The model where a request names none")->type_name("PROVIDER/MODEL");
        command.add_option("--workers", workers, "Threads that serve connections")->type_name("N");
        command.add_option("--log-level", log_level, "debug, info, warn, error or off")->type_name("LEVEL");
        command.add_flag("--insecure", insecure, "Listen on any address without api_token, answer any Host");
    }

    app::CommandLine command_line(const CLI::App& command) const {
        app::CommandLine line;
        if (command.count("--config") > 0) line.config_file = config_file;
        const auto add = [&](const char* path, const char* flag, const std::string& text) {
            if (command.count(flag) > 0) line.values.push_back({path, flag, text});
        };
        add("listen", "--listen", listen);
        add("store", "--store", store);
        add("model", "--model", model);
        add("workers", "--workers", workers);
        add("log_level", "--log-level", log_level);
        add("insecure", "--insecure", "true");
        return line;
    }
};

// Prints why not, where the configuration is wrong.
std::optional<app::LoadedConfig> load(const ConfigOptions& options, const CLI::App& command,
                                      const app::Environment& environment) {
    auto loaded = app::load_config(options.command_line(command), environment);
    if (loaded) return std::move(*loaded);
    fmt::print(stderr, "tertulia: {}\n", loaded.error().message);
    return std::nullopt;
}

int check_config(const app::LoadedConfig& loaded) {
    fmt::print("{}", app::describe(loaded));
    std::fflush(stdout);
    for (const std::string& warning : loaded.warnings) fmt::print(stderr, "warning: {}\n", warning);
    const auto servable = app::check_servable(loaded.config);
    if (!servable) fmt::print(stderr, "`tertulia serve` would refuse this: {}\n", servable.error().message);
    return 0;
}

base::Secret token_of(const std::string& given, const app::Environment& environment) {
    if (!given.empty()) return base::Secret(given);
    const auto from_environment = environment.find("TERTULIA_API_TOKEN");
    return base::Secret(from_environment == environment.end() ? std::string() : from_environment->second);
}

int chat(cli::ChatOptions options, const std::string& token, const app::Environment& environment) {
    options.token = token_of(token, environment);
    options.interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    return cli::run_chat(options, std::cin, std::cout, std::cerr);
}

int run(int argc, char** argv) {
    if (argc == 1) {
        if (const app::Environment environment = read_environment(); app::is_lambda(environment))
            return app::run_lambda(environment);
    }
    CLI::App program("Tertulia, a conversation server between your users and AI APIs");
    program.name("tertulia");
    program.set_version_flag("--version", "tertulia " TERTULIA_VERSION);
    program.require_subcommand(1);
    // Scripts add options behind those of others: the last one holds.
    program.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);

    ConfigOptions options;
    CLI::App& serve = *program.add_subcommand("serve", "Run the server");
    options.add_to(serve);

    cli::ChatOptions chat_options;
    std::string token;
    CLI::App& chat_command = *program.add_subcommand("chat", "Chat in the terminal with a running server");
    chat_command.add_option("--server,--url", chat_options.url, "The server's address")->capture_default_str();
    chat_command.add_option("--session", chat_options.session_id, "The session to resume")->type_name("ID");
    chat_command.add_option("--model", chat_options.model, "The model to ask")->type_name("PROVIDER/MODEL");
    chat_command.add_option("--token", token,
                            "The server's api_token (default: TERTULIA_API_TOKEN of the environment)");

    cli::UsageOptions usage_options;
    CLI::App& usage_command = *program.add_subcommand("usage", "Print what turns have used and cost, as a table");
    usage_command.add_option("--server,--url", usage_options.url, "The server's address")->capture_default_str();
    usage_command
        .add_option("--group-by", usage_options.group_by,
                    "What the rows are told apart by: session, owner, model, day; \"\" for the total alone")
        ->type_name("NAMES")
        ->capture_default_str();
    usage_command.add_option("--from", usage_options.from, "From this day or time on (UTC)")->type_name("DATE");
    usage_command.add_option("--to", usage_options.to, "Up to this day or time, which is not counted")
        ->type_name("DATE");
    usage_command.add_option("--token", token,
                             "The server's api_token (default: TERTULIA_API_TOKEN of the environment)");

    ConfigOptions checked;
    bool document = false;
    CLI::App& check = *program.add_subcommand(
        "check-config",
        "Print the configuration that results, with the source of each value, and what is wrong with it");
    checked.add_to(check);
    check.add_flag("--document", document, "Print docs/configuration.md instead");

    CLI::App& create_tables = *program.add_subcommand(
        "create-tables",
        "Make the tables of the store dynamodb: where they are missing (for emulators and small set-ups)");

    constexpr std::string_view commands[] = {"serve", "chat", "usage", "check-config", "create-tables"};
    if (argc > 1 && argv[1][0] != '-' && std::ranges::find(commands, argv[1]) == std::end(commands)) {
        // CLI11 would only say that a subcommand is required.
        const std::string_view nearest = base::nearest_name(argv[1], commands);
        fmt::print(stderr, "tertulia: unknown command \"{}\"{} (see `tertulia --help`)\n", argv[1],
                   nearest.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", nearest));
        return exit_usage;
    }
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return program.exit(error) == 0 ? 0 : exit_usage;
    }

    const app::Environment environment = read_environment();
    if (chat_command) return chat(chat_options, token, environment);
    if (create_tables) return app::create_tables(environment, std::cout, std::cerr);
    if (usage_command) {
        usage_options.token = token_of(token, environment);
        return cli::run_usage(usage_options, std::cout, std::cerr);
    }
    if (check && document) {
        fmt::print("{}", app::configuration_document());
        return 0;
    }
    const auto loaded = serve ? load(options, serve, environment) : load(checked, check, environment);
    if (!loaded) return exit_usage;
    return serve ? app::serve(*loaded) : check_config(*loaded);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& bug) {
        fmt::print(stderr, "tertulia: a bug: {}\n", bug.what());
        return 1;
    }
}
