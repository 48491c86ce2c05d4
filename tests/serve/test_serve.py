"""Runs on localhost: who may ask, what is shown, what may be written."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from browser import PHONE, opened, until
from sample_run import make_run
from starlette.testclient import TestClient
from typer.testing import CliRunner

from ace3d_fast.cli import app as command
from ace3d_fast.errors import InputError
from ace3d_fast.serve.app import find_runs, make_app
from ace3d_fast.serve.server import check_host, serve_runs
from ace3d_fast.store import RunFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "waving", num_videos=2)
    (folder / "more").mkdir()
    make_run(folder / "more" / "a b", target_class="<script>", num_videos=2)
    (folder / "unfinished").mkdir()
    return folder


@pytest.fixture
def client(folder):
    return TestClient(make_app(folder), base_url="http://127.0.0.1:8765", follow_redirects=False)


def test_every_run_is_listed_and_labels_are_text(client):
    page = client.get("/")
    assert 'href="/runs/waving/"' in page.text
    assert 'href="/runs/more/a%20b/"' in page.text
    assert "&lt;script&gt;</a>" in page.text
    assert "unfinished" not in page.text


def test_the_folder_is_named_where_it_is_the_current_one(folder, monkeypatch):
    monkeypatch.chdir(folder)
    client = TestClient(make_app(Path()), base_url="http://localhost")
    assert f"<code>{folder.resolve()}</code>" in client.get("/").text


def test_on_a_phone_the_list_needs_no_sideways_scrolling(browser, client, tmp_path):
    page_file = tmp_path / "runs.html"
    page_file.write_text(client.get("/").text, encoding="utf-8")
    with opened(browser, page_file, size=PHONE) as page:
        wide = "e => e.scrollWidth - e.clientWidth"
        assert page.locator(".scroll").evaluate(wide) == 0
        assert page.locator("td").last.evaluate("e => getComputedStyle(e, '::before').content") == '"Videos"'


def test_a_folder_that_is_one_run_leads_to_it(folder):
    client = TestClient(make_app(folder / "waving"), base_url="http://localhost", follow_redirects=False)
    assert client.get("/").headers["location"] == "/runs/waving/"
    assert "Give it a name" in client.get("/runs/waving/").text


def test_names_are_written_to_the_run_and_shown(client, folder):
    key = RunFolder(folder / "waving").key
    assert client.put("/runs/waving/names", json={"run": key, "names": {"4": "disc"}}).status_code == 204
    assert RunFolder(folder / "waving").names == {4: "disc"}
    assert 'value="disc"' in client.get("/runs/waving/").text
    client.put("/runs/waving/names", json={"run": key, "names": {}})
    assert RunFolder(folder / "waving").names == {}
    assert 'value="disc"' not in client.get("/runs/waving/").text


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/runs/nothing/names", {"json": {}}, 404),
        ("/runs/../waving/names", {"json": {}}, 404),
        ("/runs/waving/names", {"json": {"run": "other", "names": {}}}, 422),
        ("/runs/waving/names", {"json": []}, 422),
        ("/runs/waving/names", {"content": "{", "headers": {"Content-Type": "application/json"}}, 400),
        ("/runs/waving/names", {"content": "{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ("/runs/waving/names", {"json": "x" * 1_000_001}, 413),
    ],
)
def test_nothing_else_is_written(client, folder, path, sent, status):
    before = sorted(file.stat().st_mtime_ns for file in folder.rglob("*"))
    assert client.put(path, **sent).status_code == status
    assert sorted(file.stat().st_mtime_ns for file in folder.rglob("*")) == before


@pytest.mark.parametrize("path", ["/runs/waving/config.json", "/runs/%2e%2e/", "/runs//etc/", "/config.json"])
def test_no_file_is_served(client, path):
    assert client.get(path).status_code in (404, 307)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1@evil", "", "["]
)
def test_a_request_for_another_name_is_refused(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "127.8.8.8"])
def test_a_request_for_this_machine_is_answered(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


def test_a_page_of_another_origin_is_refused(client):
    assert client.get("/", headers={"Origin": "http://evil.example"}).status_code == 421
    assert client.get("/", headers={"Origin": "null"}).status_code == 421
    assert client.get("/", headers={"Origin": "http://127.0.0.1:8765"}).status_code == 200


def test_with_remote_access_addresses_are_answered_and_strange_names_are_not(folder):
    names = check_host("0.0.0.0", allow_remote=True)
    client = TestClient(make_app(folder, names=names, any_address=True), base_url="http://10.0.0.1")
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])
def test_other_addresses_need_to_be_allowed(host):
    with pytest.raises(InputError, match="serve: expected host"):
        check_host(host, allow_remote=False)
    result = CliRunner().invoke(command.app, ["serve", ".", "--host", host])
    assert result.exit_code == 2
    assert "--allow-remote" in result.output


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(InputError, match="with complete runs in it"):
        serve_runs(tmp_path)


def test_a_taken_port_is_told_before_any_address_is(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(command.app, ["serve", str(folder), "--port", str(port)])
    assert result.exit_code == 2
    assert f"serve: expected port that is free, got 127.0.0.1:{port}" in result.output
    assert "http://" not in result.output


def test_runs_are_found_by_their_path(folder):
    assert list(find_runs(folder)) == ["waving", "more/a b"]


def test_a_name_typed_in_the_browser_reaches_the_folder(browser, folder):
    server = uvicorn.Server(uvicorn.Config(make_app(folder), host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    context = browser.new_context()
    page, faults = context.new_page(), []
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    try:
        page.goto(f"http://127.0.0.1:{port}/")
        page.fill("#filter-text", "waving")
        assert page.text_content("#shown") == "1 of 2 runs"
        page.click("#runs a:visible")
        page.fill("#concept-4 input.name", "disc")
        page.press("#concept-4 input.name", "Enter")
        until(page, "document.getElementById('shown').textContent === 'Names saved to the run folder.'")
        assert RunFolder(folder / "waving").names == {4: "disc"}
        assert [fault for fault in faults if "favicon" not in fault] == []
    finally:
        context.close()
        server.should_exit = True
        thread.join()
