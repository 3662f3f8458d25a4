"""What the bench reads out of wrk and strace."""

from pathlib import Path

import pytest

from bench.loader import read_calls, read_h2load, read_wrk
from bench.measure import Cpu

WRK = """\
Running 2s test @ http://127.0.0.1:36013/1k
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.10ms    2.83ms  40.10ms   96.99%
    Req/Sec    26.74k     4.18k   32.55k    50.00%
  Latency Distribution
     50%  502.00us
     75%    0.60ms
     90%    1.07ms
     99%   16.73ms
  100000 requests in 2.00s, 100.00MB read
  Non-2xx or 3xx responses: 3
  Socket errors: connect 0, read 1, write 0, timeout 2
Requests/sec:  50000.00
"""

STRACE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.100000           1    200000           sendto
 40.00    0.100000           1    200100       100 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.200000           1    400100       100 total
"""


def test_figures_come_from_their_own_lines() -> None:
    result = read_wrk(WRK, Cpu(user=0.25, system=0.75, total=1.0))
    assert result.user_us == pytest.approx(2.5)
    assert result.total_us == pytest.approx(10.0)
    assert result.per_second == pytest.approx(50_000)
    assert [result.p50_ms, result.p99_ms] == pytest.approx([0.502, 16.73])
    assert result.megabytes_per_cpu_s == pytest.approx(100)
    assert result.failures == 6


def test_a_run_without_a_request_is_no_result() -> None:
    with pytest.raises(RuntimeError, match="not one request"):
        read_wrk(WRK.replace("100000 requests", "0 requests"), Cpu(0, 0, 0))


def test_time_between_two_looks_is_split_as_the_ticks_were() -> None:
    assert Cpu(user=1.5, system=2.5, total=4.5) - Cpu(user=0.5, system=1.5, total=0.5) == Cpu(2.0, 2.0, 4.0)


def test_calls_with_and_without_errors_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "strace.txt"
    path.write_text(STRACE)
    assert read_calls(path) == {"sendto": 200_000, "recvfrom": 200_100}


H2LOAD = """
finished in 2.50s, 16000.50 req/s, 16.40MB/s
requests: 40010 total, 40010 started, 40000 done, 39999 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 40000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 41.01MB (43000000) total, 937.52KB (960020) headers (space savings 92.21%), 39.06MB (41943040) data
"""


def test_figures_are_taken_out_of_what_h2load_prints() -> None:
    result = read_h2load(H2LOAD, Cpu(user=0.4, system=0.6, total=1.0))
    assert (round(result.user_us, 3), round(result.system_us, 3), result.per_second) == (10.0, 15.0, 16000.5)
    assert (round(result.megabytes_per_cpu_s), result.failures) == (40, 1)
    with pytest.raises(RuntimeError, match="not one request"):
        read_h2load(H2LOAD.replace("40000 2xx", "0 2xx"), Cpu(0, 0, 0))
