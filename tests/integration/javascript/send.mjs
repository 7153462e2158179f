// Two spans through the official JavaScript SDK and its OTLP/HTTP JSON exporter; prints the trace id.
import { context, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const exporter = new OTLPTraceExporter({ url: process.argv[2] });
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": "official-js" }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer("javascript");
const attributes = { "user.id": "ada", big: Number.MAX_SAFE_INTEGER, ratio: 0.5, list: ["a", "b"] };
const question = tracer.startSpan("question", { attributes });
const answer = tracer.startSpan("answer", {}, trace.setSpan(context.active(), question));
answer.setStatus({ code: SpanStatusCode.ERROR, message: "too long" });
answer.end();
question.end();
await provider.forceFlush();
await provider.shutdown();
console.log(question.spanContext().traceId);
