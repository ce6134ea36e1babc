import { ResponseType, type RestApi } from 'aws-cdk-lib/aws-apigateway';

/** What API Gateway refuses by itself, before the program sees it: in the form of the program's errors (docs/api.md), with its codes. */
const REFUSALS: readonly (readonly [ResponseType, status: string, code: string, error: string, message?: string])[] = [
  [ResponseType.INVALID_API_KEY, '403', 'forbidden', 'Forbidden', 'x-api-key is missing or not known.'],
  [ResponseType.BAD_REQUEST_BODY, '400', 'invalid_request', 'Invalid request', 'The body must have the texts session_id and message, may have the list models, and nothing else.'],
  [ResponseType.UNSUPPORTED_MEDIA_TYPE, '415', 'invalid_request', 'Unsupported content type', 'The body must be application/json.'],
  [ResponseType.REQUEST_TOO_LARGE, '413', 'too_large', 'Too large'],
  [ResponseType.THROTTLED, '429', 'rate_limited', 'Too many requests'],
  [ResponseType.QUOTA_EXCEEDED, '429', 'rate_limited', 'Quota used up', 'The quota of this API key is used up.'],
  [ResponseType.INTEGRATION_TIMEOUT, '504', 'timed_out', 'Timed out', 'There was no answer in time; what was asked may still be done.'],
  [ResponseType.INTEGRATION_FAILURE, '503', 'unavailable', 'Service unavailable', 'The function could not be asked.'],
];

export function addRefusals(api: RestApi): void {
  for (const [type, statusCode, code, error, message] of REFUSALS)
    api.addGatewayResponse(type.responseType, {
      type,
      statusCode,
      templates: { 'application/json': `{"error":"${error}","message":${message ? `"${message}"` : '$context.error.messageString'},"code":"${code}","request_id":"$context.requestId"}` },
    });
}
