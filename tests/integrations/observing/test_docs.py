"""docs/metrics.md and docs/blocking-code.md are true: their code blocks are files, which run as they stand there."""

from __future__ import annotations

import re

import pytest

from geventsio.metrics.families import FAMILIES
from tests.docs.pages import blocks, files, read
from tests.testing.project import Project

#: What is tested with the files of each page.
TESTS = {
    "docs/metrics.md": """
        import sys
        from itertools import islice
        from subprocess import PIPE, Popen
        from urllib.request import urlopen

        import pytest
        import sentry_sdk
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from opentelemetry.trace import StatusCode
        from sentry_sdk.transport import Transport

        import shop
        from errors import drop_copies, report_errors
        from geventsio import ConnectRefused, Data, SocketIO
        from geventsio.testing import ConnectError, TestClient
        from tracing import trace_jobs

        TRACE = "0af7651916cd43dd8448eb211c80319c"

        def test_shop():
            from report import report

            with TestClient(shop.application, io=shop.io) as client:
                assert client.connect().call("order", 1) == "ordered"
                lines = report()
            assert "events_emitted {'namespace': '/', 'event': 'price'} 1" in lines
            assert "sessions {'transport': 'polling'} 1" in lines

        def test_workers():
            command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "shop_workers:application"]
            command += ["--bind", "127.0.0.1:0", "--workers", "2"]
            with Popen(command, stderr=PIPE, text=True) as gunicorn:
                lines = (line.split() for line in gunicorn.stderr)
                ports = list(islice((line[-1] for line in lines if "metrics" in line), 2))
                pages = [urlopen(f"http://127.0.0.1:{port}").read() for port in ports]
                gunicorn.terminate()
                gunicorn.stderr.read()
            assert len(set(ports)) == 2
            assert all(b"geventsio_sessions" in page and b"python_info" in page for page in pages)

        def a_server():
            io = SocketIO()
            root = io.ns("/")
            root.on("greet", lambda: f"{trace.get_current_span().get_span_context().trace_id:032x}")
            root.on("thread", lambda: f"{trace.get_current_span().get_span_context().trace_id:032x}", threadpool=True)
            root.on("fail", lambda: 1 / 0)
            root.on("fail in a thread", lambda: 1 / 0, threadpool=True)
            root.on("spawn", lambda: io.spawn(lambda: None).join())
            root.on("unfit", lambda: {object()})
            root.on_disconnect(lambda: None)
            root.on_disconnect(lambda: None)

            @root.use
            def check(auth: Data[dict[str, str]]):
                if auth.get("token") == "wrong":
                    raise ConnectRefused("not you")

            return io

        def test_tracing():
            spans = InMemorySpanExporter()
            provider = TracerProvider()
            provider.add_span_processor(SimpleSpanProcessor(spans))
            trace.set_tracer_provider(provider)
            io = a_server()
            trace_jobs(io)
            headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            with TestClient(io, headers=headers, raise_handler_errors=False) as client:
                with pytest.raises(ConnectError):
                    client.connect(auth={"token": "wrong"})
                socket = client.connect()
                assert socket.call("greet") == TRACE
                assert socket.call("thread") == TRACE
                socket.emit("spawn")
                socket.emit("fail")
            found = {}
            for span in spans.get_finished_spans():
                assert f"{span.context.trace_id:032x}" == TRACE
                assert span.attributes["socketio.namespace"] == "/"
                found.setdefault(span.name, []).append(span)
            refused, connected = found["connect"]
            assert refused.attributes["socketio.refused"] == "ConnectRefused"
            assert refused.status.status_code is connected.status.status_code is StatusCode.UNSET
            (failed,) = found["event fail"]
            assert failed.status.status_code is StatusCode.ERROR and failed.events[0].name == "exception"
            (started,), (parent,) = found["background spawn"], found["event spawn"]
            assert started.parent.span_id == parent.context.span_id
            assert set(found) == {
                "connect", "event greet", "event thread", "event spawn", "background spawn", "event fail", "disconnect"
            }

        def test_errors():
            events = []

            class Kept(Transport):
                def capture_envelope(self, envelope):
                    events.append(envelope.get_event())

            # Those that are enabled by themselves look at all that happens to be installed.
            here = {"transport": Kept(), "auto_enabling_integrations": False}
            sentry_sdk.init("http://key@localhost/1", before_send=drop_copies, **here)
            io = a_server()
            report_errors(io)
            with TestClient(io, raise_handler_errors=False) as client:
                socket = client.connect()
                for event in ("fail", "fail in a thread"):
                    socket.emit(event)
                    client.wait_for(lambda: len(events) >= 1, 10)
                    assert len(events) == 1
                    (reported,) = events
                    assert reported["exception"]["values"][0]["type"] == "ZeroDivisionError"
                    assert reported["tags"]["socketio.event"] == event
                    assert reported["tags"]["socketio.namespace"] == "/"
                    assert reported["transaction"] == f"/ {event}"
                    assert reported["contexts"]["socket"]["id"] == socket.id
                    events.clear()
                socket.emit_with_ack("unfit")
                (reported,) = events  # by the log: its unit of work had ended
                assert reported["logger"] == "geventsio" and reported["extra"]["event"] == "unfit"
    """,
    "docs/blocking-code.md": """
        from geventsio.testing import TestClient
        from reports import io

        def test_a_report():
            with TestClient(io) as client:
                socket = client.connect()
                answer = socket.emit_with_ack("report", 2026)
                assert socket.receive("progress", timeout=10).args == (0,)
                socket.receive("ready?", timeout=10).ack(True)
                assert len(answer.result(timeout=10)) == 128
                assert socket.receive("progress", timeout=10).args == (100,)
    """,
}


@pytest.mark.parametrize("page", sorted(TESTS))
def test_the_page_s_files_do_what_it_says(project: Project, page: str) -> None:
    for name, source in files(blocks(page)).items():
        project.write(name, source)
    project.write("test_page.py", TESTS[page])
    result = project.run()
    assert result.outcomes == {"passed": TESTS[page].count("def test_")}, result.output


def test_the_table_tells_of_all_metrics() -> None:
    rows = re.findall(r"^\| `geventsio_(\w+)` \| (\w+) \| (.*?) ?\|", read("docs/metrics.md"), re.MULTILINE)
    endings = {"counter": "_total"}
    assert rows == [
        (shape.name + endings.get(shape.kind, ""), shape.kind, ", ".join(f"`{label}`" for label in shape.labels))
        for shape in FAMILIES
    ]
