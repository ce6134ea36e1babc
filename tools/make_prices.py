#!/usr/bin/env python3
"""Makes src/tertulia/billing/prices.json, the price table that is shipped with the program.

    tools/make_prices.py --data ../shared/data/prices [--version YYYY-MM-DD]

It reads two price lists (docs/operations.md says how a newer one is taken in):

- genai-prices.json: the data of npm @pydantic/genai-prices (https://github.com/pydantic/genai-prices, MIT licence) for
  Anthropic, OpenAI, Bedrock and Azure. It goes first: it has Bedrock's global and regional prices and dated changes.
- litellm-subset.json: a part of BerriAI/litellm's model_prices_and_context_window.json (https://github.com/BerriAI/litellm,
  MIT licence), by way of Wei-Shaw/model-price-repo (MIT licence): what the first list has not, and other vendors whose
  API is OpenAI's.

Only facts are taken: model names, tiers and prices. Of a price that changes with time the one of --version is taken.
A price is taken as it is said; nothing is worked out from other prices.
"""
import argparse
import decimal
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSION = '2026-11-25'
CLASSES = {'input': 'input_mtok', 'cache_read': 'cache_read_mtok', 'cache_write': 'cache_write_mtok',
           'cache_write_long': 'cache_write_1h_mtok', 'output': 'output_mtok'}
PER_TOKEN = {'input': 'input_cost_per_token', 'cache_read': 'cache_read_input_token_cost',
             'cache_write': 'cache_creation_input_token_cost',
             'cache_write_long': 'cache_creation_input_token_cost_above_1hr', 'output': 'output_cost_per_token'}
# The name that a provider of this vendor has in a configuration, by the name in litellm's list.
VENDORS = {'openai': 'openai', 'anthropic': 'anthropic', 'deepseek': 'deepseek', 'xai': 'xai', 'moonshot': 'moonshot',
           'zhipu': 'zhipu', 'minimax': 'minimax', 'gemini': 'gemini', 'vertex_ai-language-models': 'gemini'}
# What these models are made for is priced by other units too (audio, images, searches).
NOT_CHAT = re.compile(r'audio|realtime|transcribe|tts|image|embedding|whisper|moderation|sonic|search|voxtral|native|live|'
                      r'robotics|computer-use|^(text-)?(ada|babbage|curie|davinci)|^ft:|[^a-z0-9]$|[a-z]:[a-z]|\.ft-')
DATE = re.compile(r'[-@](20\d\d-\d\d-\d\d|20\d{6})$')


def decimal_text(number):
    text = format(decimal.Decimal(str(number)).normalize(), 'f')
    assert re.fullmatch(r'\d+(\.\d{1,6})?', text), f'{text} has more than six decimals'
    return text


def current(prices, version):
    """The prices in force at `version`: the last of a list of conditions on dates."""
    if isinstance(prices, dict):
        return prices
    chosen = None
    for entry in prices:
        constraint = entry.get('constraint')
        if constraint and constraint['type'] != 'start_date':
            return None
        if not constraint or constraint['start_date'] <= version:
            chosen = entry['prices']
    return chosen


def from_genai(prices):
    """A row of ours from a price of genai-prices: {class: number or {base, tiers}}."""
    row, tiers = {}, {}
    for ours, theirs in CLASSES.items():
        price = prices.get(theirs)
        if price is None:
            continue
        if isinstance(price, dict):
            row[ours] = decimal_text(price['base'])
            for tier in price['tiers']:
                tiers.setdefault(tier['start'], {})[ours] = decimal_text(tier['price'])
        else:
            row[ours] = decimal_text(price)
    if 'input' not in row or 'output' not in row:
        return None
    if tiers:
        row['tiers'] = [{'above': above, **row_of_tier(row, tiers[above])} for above in sorted(tiers)]
    return row


def row_of_tier(row, tier):
    """A class without a price of its own in a tier keeps the one below."""
    return {ours: tier.get(ours, row.get(ours)) for ours in CLASSES if ours in tier or ours in row}


def from_litellm(model):
    def rates(suffix):
        found = {}
        for ours, theirs in PER_TOKEN.items():
            price = model.get(theirs + suffix)
            if price is not None:
                found[ours] = decimal_text(decimal.Decimal(str(price)) * 1_000_000)
        return found

    row = rates('')
    if 'input' not in row or row['input'] == '0' or 'output' not in row:
        return None
    if row.get('cache_write') == '0':
        del row['cache_write']
    tiers = {}
    for key in model:
        if found := re.fullmatch(r'input_cost_per_token_above_(\d+)k_tokens', key):
            tiers[int(found[1]) * 1000] = rates(f'_above_{found[1]}k_tokens')
    if tiers:
        row['tiers'] = [{'above': above, **row_of_tier(row, tiers[above])} for above in sorted(tiers)]
    return row


def matches(rule):
    """The plain names in a match rule: [(how, name)]."""
    if 'or' in rule:
        return [name for part in rule['or'] for name in matches(part)]
    return [(how, name) for how, name in rule.items() if how in ('equals', 'starts_with', 'contains')]


def without_version(bedrock_id):
    return re.sub(r'(-v\d+(:\d+)?|-\d+:\d+|:\d+)$', '', bedrock_id)


def bedrock_names(model):
    """How rows of Bedrock are called here: the id without geography and version; `global.` stays."""
    bare = without_version(re.sub(r'^regional\.', '', model['id']))
    names = [bare]
    placed = re.compile(r'^(us|au|eu|jp|in|apac|us-gov|global)\.')
    # A rule for the bare name within any id is for global profiles too.
    if any(how == 'contains' and not placed.match(name) for how, name in matches(model['match'])):
        names.append('global.' + bare)
    return [name for name in names if not name.startswith('global.global.')]


def names_of(provider, model):
    if provider == 'aws':
        return ['bedrock/' + name for name in bedrock_names(model)]
    names = [model['id']]
    for how, name in matches(model['match']):
        if how == 'equals' or how == 'starts_with' and not name.endswith('-2025'):
            names.append(name)
    return [f'{provider}/{name}' for name in dict.fromkeys(names) if not NOT_CHAT.search(name)]


def make(data, version):
    load = lambda name: json.loads((data / name).read_text(), parse_float=decimal.Decimal)
    rows, doubtful = {}, []
    for vendor in load('genai-prices.json'):
        for model in vendor['models']:
            prices = current(model['prices'], version)
            row = from_genai(prices) if prices else None
            if row and not NOT_CHAT.search(model['id']):
                for name in names_of(vendor['id'], model):
                    rows.setdefault(name, row)
    first_list = set(rows)  # a dated edition of a name there costs what that name does
    for name, model in load('litellm-subset.json').items():
        vendor = VENDORS.get(model.get('litellm_provider'))
        if not vendor or model.get('mode') not in ('chat', 'responses') or NOT_CHAT.search(name):
            continue
        row = from_litellm(model)
        if not row or f'{vendor}/{DATE.sub("", name)}' in first_list:
            continue
        first = rows.setdefault(f'{vendor}/{name}', row)
        if first.get('input') != row['input'] or first.get('output') != row['output']:
            doubtful.append(f'{vendor}/{name}: {first["input"]}/{first["output"]} taken, '
                            f'litellm says {row["input"]}/{row["output"]}')
    return rows, doubtful


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=pathlib.Path, default=ROOT.parent / 'shared/data/prices')
    parser.add_argument('--version', default=VERSION)
    parser.add_argument('--output', type=pathlib.Path, default=ROOT / 'src/tertulia/billing/prices.json')
    args = parser.parse_args()
    rows, doubtful = make(args.data, args.version)
    head = {
        'version': args.version,
        'unit': 'US dollars per million tokens',
        'made_by': 'tools/make_prices.py',
        'sources': [
            {'name': 'genai-prices', 'version': '0.1.8', 'url': 'https://github.com/pydantic/genai-prices', 'licence': 'MIT'},
            {'name': 'litellm model prices', 'version': 'Wei-Shaw/model-price-repo f9ff147',
             'url': 'https://github.com/BerriAI/litellm', 'licence': 'MIT'},
        ],
    }
    lines = [f'  {json.dumps(key)}: {json.dumps(value)},' for key, value in head.items()]
    prices = [f'    {json.dumps(name)}: {json.dumps(rows[name])}' for name in sorted(rows)]
    args.output.write_text('{\n' + '\n'.join(lines) + '\n  "prices": {\n' + ',\n'.join(prices) + '\n  }\n}\n')
    print(f'{args.output.name}: {len(rows)} models')
    for line in doubtful:
        print('the lists differ:', line, file=sys.stderr)


if __name__ == '__main__':
    main()
