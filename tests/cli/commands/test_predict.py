import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import run

ROWS = np.arange(12, dtype=np.float32).reshape(2, 6) / 7


def as_csv(rows):
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())


def parsed(result):
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_one_line_an_input_with_the_promised_keys(trained):
    first, second = parsed(run("predict", trained, stdin=as_csv(ROWS)))
    assert (first["index"], second["index"]) == (0, 1)
    assert set(first) == {"index", "label", "probability", "top"}
    assert first["top"][0] == [first["label"], first["probability"]]
    assert sum(probability for _, probability in first["top"]) == pytest.approx(1, abs=1e-5)


def test_every_format_gives_the_same(trained, tmp_path):
    Path(tmp_path, "rows.csv").write_text(as_csv(ROWS))
    Path(tmp_path, "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS.tolist()))
    np.savez(tmp_path / "rows.npz", x=ROWS)
    expected = parsed(run("predict", trained, "-", stdin=as_csv(ROWS)))
    for name in ("rows.csv", "rows.jsonl", "rows.npz"):
        assert parsed(run("predict", trained, tmp_path / name)) == expected


def test_the_index_runs_on_over_files(trained, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(ROWS))
    assert [line["index"] for line in parsed(run("predict", trained, path, path))] == [0, 1, 2, 3]


def test_what_came_before_a_bad_row_is_predicted(trained):
    result = run("predict", trained, stdin=as_csv(ROWS) + "1,2\n")
    assert result.exit_code == 3
    assert "line 3" in result.stderr


def test_a_row_is_answered_before_the_next_one_comes(trained, environment):
    command = [sys.executable, "-m", "dlcli", "predict", str(trained)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for index in range(2):
            process.stdin.write(as_csv(ROWS[index : index + 1]))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["index"] == index
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_head_closes_the_pipe(trained, environment, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(np.tile(ROWS, (2000, 1))))
    command = [sys.executable, "-m", "dlcli", "predict", str(trained), str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 141)
    process.stderr.close()


def test_a_full_disk(trained, environment, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(ROWS))
    command = [sys.executable, "-m", "dlcli", "predict", str(trained), str(path)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)


def test_crops_need_a_transform_that_crops(trained):
    result = run("predict", trained, "--crops", "5", stdin=as_csv(ROWS))
    assert result.exit_code == 2
    assert "found 5 crops, expected a transform that crops" in result.stderr
    one = parsed(run("predict", trained, "--crops", "1", stdin=as_csv(ROWS)))
    assert one == parsed(run("predict", trained, stdin=as_csv(ROWS)))
