-- One use case under load. INPUT is a file with what is sent, one a line, in place of {} in AUTHORIZATION and BODY.
--   TURNS=once   each line once, then the run ends
--   TURNS=cycle  from the beginning again
--   TURNS=again  what KEEP finds in an answer is sent after all others
-- KEEP names a member of the JSON answers. OUTPUT gets what it found; with TURNS=again, what would have been sent next.
-- Prints one line of JSON at the end.
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init()
  local env = os.getenv
  method, path, turns, keep = env("METHOD"), env("ADDRESS"), env("TURNS"), env("KEEP")
  expected = tonumber(env("EXPECTED"))
  authorization, contentType, content = env("AUTHORIZATION"), env("CONTENT_TYPE"), env("CONTENT")
  queue, head, tail, kept = {}, 1, 0, {}
  for line in io.lines(env("INPUT")) do
    tail = tail + 1
    queue[tail] = line
  end
  answered, wrong, firstWrong, over = 0, 0, "", 0
end

local function filled(template, line)
  return template and (template:gsub("{}", function() return line end))
end

function request()
  if head > tail then
    over = 1
    wrk.thread:stop()
    return wrk.format("GET", "/")
  end
  local line = queue[head]
  if turns ~= "cycle" then queue[head] = nil end
  head = head + 1
  if turns == "cycle" and head > tail then head = 1 end
  return wrk.format(method, path, {
    ["Authorization"] = filled(authorization, line),
    ["Content-Type"] = contentType,
  }, filled(content, line))
end

function response(status, headers, body)
  if status == expected then
    answered = answered + 1
    local value = keep and body:match('"' .. keep .. '":"([^"]+)"')
    if value and turns == "again" then
      tail = tail + 1
      queue[tail] = value
    elseif value then
      kept[#kept + 1] = value
    end
  elseif over == 0 then
    wrong = wrong + 1
    if wrong == 1 then firstWrong = status .. " " .. (body or ""):gsub("[^%w ]", " "):sub(1, 150) end
  end
end

function done(summary, latency)
  local thread = threads[1]
  local output = os.getenv("OUTPUT")
  if output then
    local file = io.open(output, "w")
    local name = os.getenv("TURNS") == "again" and "queue" or "kept"
    for _, line in pairs(thread:get(name)) do file:write(line, "\n") end
    file:close()
  end
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"wrong":%d,"firstWrong":"%s","failed":%d}\n',
    thread:get("answered"), summary.duration, latency:percentile(50), latency:percentile(99),
    thread:get("wrong"), thread:get("firstWrong"), errors.connect + errors.read + errors.write + errors.timeout))
end
