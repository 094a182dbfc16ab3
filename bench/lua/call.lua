-- wrk's part: one call again and again, or one with a new token each time until the tokens are used up.
-- Arguments: a file with one token a line, the size of the body, how many tokens earlier runs have used.
local ffi = require("ffi")
ffi.cdef [[
  struct bench_time { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct bench_time *time);
]]

local threads = {}
local tokens = {}

local function now()
  local time = ffi.new("struct bench_time")
  ffi.C.clock_gettime(1, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

local function new_token_each_time(used)
  local before, after = wrk.format():match("^(.-)TOKEN(.*)$")
  local sent, spare = 0, 64 -- the spare ones are for connections that still ask after the stop
  function request()
    sent = sent + 1
    if sent == 1 then
      started = now()
    elseif sent == #tokens - spare then
      ended = now()
      wrk.thread:stop()
    end
    return before .. tokens[(used + sent - 1) % #tokens + 1] .. after
  end
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for line in io.lines(args[1]) do
    table.insert(tokens, line)
  end
  local many = #tokens > 1
  wrk.method = "POST"
  wrk.headers = {
    ["Host"] = "127.0.0.1",
    ["User-Agent"] = "bench",
    ["Accept"] = "*/*",
    ["Content-Type"] = "application/x-amz-json-1.1",
    ["X-Amz-Target"] = "RekognitionService.CompareFaces",
    ["Authorization"] = "Bearer " .. (many and "TOKEN" or tokens[1]),
  }
  wrk.body = '{"SourceImage": {"Bytes": "' .. string.rep("A", tonumber(args[2]) - 30) .. '"}}'
  if many then
    new_token_each_time(tonumber(args[3]))
  end
end

function done(summary, latency)
  local seconds = summary.duration / 1e6
  local started, ended = threads[1]:get("started"), threads[1]:get("ended")
  if started and ended then -- the tokens were used up before wrk's own time was over
    seconds = ended - started
  end
  local e = summary.errors
  io.write(string.format(
    '\nBENCH {"requests": %d, "seconds": %.6f, "status": %d, "socket": %d, "p50_us": %.1f, "p99_us": %.1f}\n',
    summary.requests, seconds, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
