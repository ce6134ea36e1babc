import { Aws, Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Dashboard, GraphWidget, type IWidget, MathExpression, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

import type { Functions } from './functions.ts';
import type { Rest } from './rest.ts';
import type { Settings } from './settings.ts';
import type { Tables } from './tables.ts';

/** The metrics that the program writes as EMF lines, one line a turn. */
const OURS = 'Tertulia';

const ours = (metricName: string, statistic: string, label?: string, period = Duration.minutes(5)) =>
  new Metric({ namespace: OURS, metricName, statistic, label, period });

/** The alarms, told by e-mail where an address is given, and the dashboard. */
export class Watching extends Construct {
  private readonly topic?: Topic;

  constructor(scope: Construct, private readonly settings: Settings, private readonly functions: Functions, private readonly tables: Tables, private readonly rest?: Rest) {
    super(scope, 'Watching');
    if (settings.alarmEmail) {
      this.topic = new Topic(this, 'Topic', { enforceSSL: true });
      // The policy that demands TLS takes the place of the one by which a topic's owner may publish.
      this.topic.grantPublish(new ServicePrincipal('cloudwatch.amazonaws.com', { conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } } }));
      this.topic.addSubscription(new EmailSubscription(settings.alarmEmail));
    }
    this.addAlarms();
    this.addDashboard();
  }

  private addAlarms(): void {
    this.alarm('SlowTurns', 'One turn in a hundred takes longer than a minute', ours('TurnLatency', 'p99'), 60_000, 3);
    this.alarm('SlowFirstToken', 'One turn in ten waits longer than 10 s for its first token', ours('TimeToFirstToken', 'p90'), 10_000, 3);
    // Each turn and each call writes 0 or 1, so the average is the share of them that failed.
    this.alarm('FailingTurns', 'More than one turn, or call of a model, in twenty fails', ours('Errors', 'Average'), 0.05, 2);
    this.alarm('Cost', `More than ${this.settings.hourlyBudgetUsd} dollars for models within an hour`, ours('CostUSD', 'Sum', undefined, Duration.hours(1)), this.settings.hourlyBudgetUsd, 1);
    for (const [name, fn] of [['Chat', this.functions.chat], ['Long', this.functions.long]] as const) {
      this.alarm(`${name}Throttled`, `The function ${name} is refused for want of concurrency`, fn.metricThrottles({ period: Duration.minutes(5) }), 0, 1);
      this.alarm(`${name}Errors`, `The function ${name} itself fails (a turn that fails is no error of it)`, fn.metricErrors({ period: Duration.minutes(5) }), 0, 2);
    }
    this.alarm('ChatNearTimeout', 'chat comes near its 30 s', this.functions.chat.metricDuration({ statistic: 'p99', period: Duration.minutes(5) }), 28_000, 3);
    for (const [name, table] of [['Sessions', this.tables.sessions], ['Meta', this.tables.meta]] as const)
      for (const kind of ['ReadThrottleEvents', 'WriteThrottleEvents'])
        this.alarm(`${name}${kind}`, `DynamoDB throttles ${table.node.id}`, table.metric(kind, { statistic: 'Sum', period: Duration.minutes(5) }), 0, 2);
    if (this.rest) this.alarm('Rest5xx', 'More than one REST request in twenty ends with 5xx', this.rest.api.metricServerError({ statistic: 'Average', period: Duration.minutes(5) }), 0.05, 2);
  }

  private alarm(id: string, alarmDescription: string, metric: Metric, threshold: number, evaluationPeriods: number): void {
    const alarm = new Alarm(this, id, {
      alarmDescription,
      metric,
      threshold,
      evaluationPeriods,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING, // nobody asks: nothing is wrong
    });
    if (this.topic) alarm.addAlarmAction(new SnsAction(this.topic));
  }

  private addDashboard(): void {
    const graph = (title: string, left: GraphWidgetMetrics, leftLabel: string): IWidget => new GraphWidget({ title, left: [...left], width: 8, height: 6, leftYAxis: { min: 0, label: leftLabel, showUnits: false } });
    const search = (metricName: string, statistic: string, dimension: string) =>
      new MathExpression({ expression: `SEARCH('{${OURS},${dimension}} MetricName="${metricName}"', '${statistic}', 300)`, label: '', usingMetrics: {} });
    const input = ours('InputTokens', 'Sum', 'input');
    const read = ours('CacheReadTokens', 'Sum', 'cache read');
    const write = ours('CacheWriteTokens', 'Sum', 'cache write');
    const both = this.functions.both;

    new Dashboard(this, 'Dashboard', {
      dashboardName: `tertulia-${Aws.REGION}`,
      defaultInterval: Duration.hours(12),
      widgets: [
        [
          graph('Latency of turns', ['p50', 'p90', 'p99'].map((p) => ours('TurnLatency', p, p)), 'ms'),
          graph('First token', ['p50', 'p90', 'p99'].map((p) => ours('TimeToFirstToken', p, p)), 'ms'),
          graph('Turns, calls of models, failures', [ours('Turns', Stats.SUM, 'turns'), ours('Calls', Stats.SUM, 'calls'), ours('Errors', Stats.SUM, 'failed')], 'in 5 min'),
        ],
        [
          graph('Failures by code', [search('Errors', 'Sum', 'code')], 'in 5 min'),
          graph('Latency by model (p90)', [search('TurnLatency', 'p90', 'provider,model')], 'ms'),
          graph('Turns by model', [search('Turns', 'Sum', 'provider,model')], 'in 5 min'),
        ],
        [
          graph('Tokens', [input, read, write, ours('OutputTokens', 'Sum', 'output'), ours('ReasoningTokens', 'Sum', 'reasoning')], 'in 5 min'),
          graph('Prompt served from cache', [new MathExpression({ expression: '100 * read / (input + read + write)', label: 'cache hits', usingMetrics: { input, read, write } })], '%'),
          graph('Cost of models', [ours('CostUSD', 'Sum', 'dollars', Duration.hours(1))], 'dollars an hour'),
        ],
        [
          graph('Functions: duration (p99)', both.map((fn) => fn.metricDuration({ statistic: 'p99', label: fn.node.id })), 'ms'),
          graph('Functions: errors and throttles', both.flatMap((fn) => [fn.metricErrors({ label: `${fn.node.id} errors` }), fn.metricThrottles({ label: `${fn.node.id} throttles` })]), 'in 5 min'),
          graph('DynamoDB: capacity used', [this.tables.sessions, this.tables.meta].flatMap((table) =>
            ['Read', 'Write'].map((kind) => table.metric(`Consumed${kind}CapacityUnits`, { statistic: 'Sum', label: `${table.node.id} ${kind.toLowerCase()}` }))), 'units in 5 min'),
        ],
      ],
    });
  }
}

type GraphWidgetMetrics = readonly (Metric | MathExpression | import('aws-cdk-lib/aws-cloudwatch').IMetric)[];
