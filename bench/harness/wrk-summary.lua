-- What wrk saw, exactly, as one line of JSON after its own report. Nothing is called for each answer, so that the load stays what it is.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'summary {"requests":%d,"micros":%d,"bytes":%d,"failed":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
