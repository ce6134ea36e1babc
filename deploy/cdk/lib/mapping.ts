// What stands between POST /workflows/{name} and Step Functions: API Gateway's mapping templates (Velocity).

/** The request: the body goes in as it is, as the text that StartSyncExecution takes. */
export const startTemplate = (stateMachineArn: string) =>
  // escapeJavaScript escapes single quotes too, which JSON does not know.
  `{"stateMachineArn":"${stateMachineArn}","input":"$util.escapeJavaScript($input.json('$')).replaceAll("\\\\'","'")"}`;

/**
 * The answer: the workflow's output, or an error of ours. StartSyncExecution says 200 whatever became of the execution; a workflow
 * that could not answer ends with the marker `"state":"failed"`.
 */
export const ANSWER_TEMPLATE = `#set($status = $input.path('$.status'))
#if($status == "SUCCEEDED")
#set($output = $util.parseJson($input.path('$.output')))
#if($output.state == "failed")
#set($context.responseOverride.status = 503)
#end
$input.path('$.output')
#elseif($status == "TIMED_OUT")
#set($context.responseOverride.status = 504)
{"error":"Timed out","message":"The workflow did not end within its time.","code":"timed_out","request_id":"$context.requestId"}
#else
#set($context.responseOverride.status = 500)
{"error":"Workflow failed","message":"The workflow ended with $util.escapeJavaScript($input.path('$.error')).replaceAll("\\\\'","'").","code":"internal","request_id":"$context.requestId"}
#end`;

/** What Step Functions itself refuses or cannot do now (throttled, 5xx): the caller may try again. */
export const UNAVAILABLE_TEMPLATE =
  '{"error":"Service unavailable","message":"The workflow could not be started.","code":"unavailable","request_id":"$context.requestId"}';
