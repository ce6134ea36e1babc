"""All dialects that the providers of these tests speak."""

from bedrock_dialect import Converse, Invoke
from dialects import Anthropic, OpenAi
from responses_dialect import Responses

DIALECTS = (OpenAi, Anthropic, Converse, Invoke, Responses)
