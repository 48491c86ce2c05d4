import fuzz_videos
import pytest

from ace3d_fast.video import decode


def test_damaged_files_find_nothing():
    assert [fuzz_videos.run_case(case) for case in range(60)] == [None] * 60


def test_some_are_read_and_some_refused(monkeypatch):
    seen = []
    read = decode.read_clips

    def counting(*arguments, **options):
        clips = list(read(*arguments, **options))
        seen.append(len(clips))
        return iter(clips)

    monkeypatch.setattr(decode, "read_clips", counting)
    assert [fuzz_videos.run_case(case) for case in range(30)] == [None] * 30
    assert 5 <= len(seen) <= 25


@pytest.mark.parametrize("kind", range(len(fuzz_videos.KINDS)))
def test_the_whole_files_can_be_read(tmp_path, kind):
    path = tmp_path / f"video{fuzz_videos.KINDS[kind][2]}"
    path.write_bytes(fuzz_videos.whole_file(kind))
    assert len(list(decode.read_frames(path, 10.0, 24))) in (19, 20, 21)


def test_other_errors_are_findings(monkeypatch):
    def broken(*_arguments, **_options):
        raise KeyError("x")

    monkeypatch.setattr(decode, "read_clips", broken)
    monkeypatch.setattr(decode, "read_frames", broken)
    assert "KeyError" in fuzz_videos.run_case(0)
