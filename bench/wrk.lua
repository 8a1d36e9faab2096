-- Sends GET /venues with each token of the file named by TOKENS in turn, and prints one line of JSON at the end.
-- Every request is made before the run, so that turning costs the same with one token as with many.
local requests = {}
for token in io.lines(os.getenv("TOKENS")) do
  requests[#requests + 1] = "GET /venues HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " .. token .. "\r\n\r\n"
end

local turn = 0
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"refused":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
