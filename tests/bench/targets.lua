-- SPDX-License-Identifier: Apache-2.0
-- For wrk: the requests of a file in turn, each with its key ("path key" a line, or
-- "path key body" for a POST; the file's name is the script's argument). The figures go to
-- standard output as the last line, in JSON: time in microseconds.

local requests, at = {}, 0

function init(args)
   for line in io.lines(args[1]) do
      local path, key, body = line:match("^(%S+) (%S+) ?(.*)$")
      local headers = { ["Host"] = wrk.headers["Host"], ["Authorization"] = "Bearer " .. key }
      if body == "" then
         table.insert(requests, wrk.format("GET", path, headers))
      else
         table.insert(requests, wrk.format("POST", path, headers, body))
      end
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end

function done(summary, latency)
   local e = summary.errors
   print(string.format('{"requests":%d,"time":%d,"p50":%d,"p99":%d,"errors":%d}',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      e.connect + e.read + e.write + e.status + e.timeout))
end
