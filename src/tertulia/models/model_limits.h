// What is known of models' windows, and how many tokens a text is.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tertulia::models {

/// Value.
struct Limits {
    /// Tokens of prompt and answer together.
    std::int64_t context_window = default_window;
    /// Is it known, or the default for unknown models? An unknown window only trims history: the provider judges.
    bool known = false;
    /// A prompt that we held for so many tokens (uncorrected) was refused as too long; 0: none was.
    std::int64_t refused_prompt = 0;

    static constexpr std::int64_t default_window = 128'000;
};

/// The windows of models (a small table shipped as data, then what the configuration, a local model's server and
/// refusals say) and the correction of our token estimate, learnt per model from the usage that its provider reports.
/// Shared; safe from any thread.
class ModelLimits {
  public:
    /// The table of models.json, which the build puts into the program.
    ModelLimits();

    /// `model` is the provider's own id ("gpt-4", "claude-sonnet-4-5-20250929"): an exact name, else the longest known
    /// name that it begins with followed by a `-`, `:`, `@` or `.`, behind what Bedrock puts before it; `name` is
    /// `provider/model`, which overrides go by.
    Limits limits(std::string_view name, std::string_view model) const;

    /// From the configuration or from a local server; goes before the table. `name`: `provider/model`.
    void set_window(const std::string& name, std::int64_t context_window);

    /// The provider named the model's window: it counts where it is smaller than what is known otherwise.
    void lower_window(const std::string& name, std::int64_t context_window);
    /// The provider found a prompt too long that we held for `plain_estimate` (uncorrected), named no number, and took
    /// a shorter one of the same history. Until it takes one of that size (`learn`).
    void was_too_long(const std::string& name, std::int64_t plain_estimate);

    /// Tokens of `bytes` bytes of text for this model, without a tokenizer: a quarter of the ASCII bytes and two thirds
    /// of the others, times what was learnt. Before anything is learnt it may be off by a third either way for prose
    /// and code in Latin script, by a factor of two for other scripts; after a few turns by about a tenth.
    std::int64_t estimate(std::string_view name, std::int64_t plain_estimate) const;

    /// The provider counted `reported` tokens for a prompt that we held for `plain_estimate` (uncorrected).
    void learn(const std::string& name, std::int64_t plain_estimate, std::int64_t reported);

  private:
    struct Row {
        std::string name;
        std::int64_t context_window;
    };
    std::vector<Row> table_;
    mutable std::mutex mutex_;
    std::map<std::string, std::int64_t, std::less<>> windows_;
    std::map<std::string, std::int64_t, std::less<>> told_windows_;
    std::map<std::string, std::int64_t, std::less<>> refused_;  // the smallest prompts, as we held them for
    std::map<std::string, double, std::less<>> corrections_;
};

/// How long texts are together, for one estimate of all of them. Value.
class TextSize {
  public:
    void add(std::string_view text);
    /// As `estimate_tokens` of them all, joined.
    std::int64_t tokens() const { return (ascii_ + 3) / 4 + (others_ * 2 + 2) / 3; }

  private:
    std::int64_t ascii_ = 0, others_ = 0;  // bytes
};

/// Our uncorrected estimate of a text's tokens. Pure.
std::int64_t estimate_tokens(std::string_view text);

/// The default model of a provider kind, from models.json ("claude-sonnet-4-5"); empty where it has none.
std::string default_model(std::string_view provider);

}  // namespace tertulia::models
