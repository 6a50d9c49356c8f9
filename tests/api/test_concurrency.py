"""Threads, tasks, forked and spawned processes, with real ones of each."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor


def test_each_thread_has_its_own_stack(mlflow):
    def train(number: int) -> tuple[str, int]:
        assert mlflow.active_run() is None
        with mlflow.start_run(run_name=f"thread-{number}") as run:
            for value in range(20):
                mlflow.log_metric("m", number * 100 + value)
            mlflow.log_param("number", number)
        return run.run_id, number

    with mlflow.start_run() as outer, ThreadPoolExecutor(8) as pool:
        done = list(pool.map(train, range(16)))
        assert mlflow.active_run() is outer
    for run_id, number in done:
        assert mlflow.get_run(run_id).data.params == {"number": number}
        values = [point.value for point in mlflow.get_metric_history(run_id, "m")]
        assert values == [number * 100 + value for value in range(20)]


def test_threads_share_a_run_by_id(mlflow):
    with mlflow.start_run() as run, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: mlflow.log_metric("m", n, run_id=run.run_id), range(400)))
    points = mlflow.get_metric_history(run.run_id, "m")
    assert sorted(point.value for point in points) == list(range(400))
    assert sorted(point.step for point in points) == list(range(400))


def test_a_thread_that_joins_a_run_does_not_end_it(mlflow):
    def work() -> None:
        with mlflow.start_run(run_id=run.run_id):
            mlflow.log_metric("m", 1)

    with mlflow.start_run() as run:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
        mlflow.log_metric("m", 2)
        assert run.info.status == "RUNNING"
    assert [p.value for p in mlflow.get_metric_history(run.run_id, "m")] == [1, 2]


def test_each_task_has_its_own_stack(mlflow):
    async def train(number: int) -> str:
        with mlflow.start_run(run_name=f"task-{number}", nested=True) as run:
            for value in range(5):
                mlflow.log_metric("m", number * 10 + value)
                await asyncio.sleep(0)
                assert mlflow.active_run() is run
        return run.run_id

    async def main() -> list[str]:
        with mlflow.start_run() as outer:
            ids = await asyncio.gather(*(train(number) for number in range(4)))
            assert mlflow.active_run() is outer
        return ids

    for number, run_id in enumerate(asyncio.run(main())):
        values = [point.value for point in mlflow.get_metric_history(run_id, "m")]
        assert values == [number * 10 + value for value in range(5)]
        assert mlflow.get_parent_run(run_id) is not None


def test_a_run_ended_in_another_task_is_over(mlflow):
    async def main() -> None:
        mlflow.start_run()

        async def finish() -> None:
            mlflow.end_run()

        await asyncio.create_task(finish())
        assert mlflow.active_run() is None

    asyncio.run(main())


def test_forked_children_log_to_the_same_run(mlflow, run_script):
    done = run_script(
        """
        import os, threading, gitml
        with gitml.start_run() as run:
            gitml.log_metric("m", 0)
            stop = threading.Event()
            def chatter():
                while not stop.is_set():
                    gitml.log_metric("chatter", 1, run_id=run.run_id)
            threads = [threading.Thread(target=chatter) for _ in range(3)]
            [thread.start() for thread in threads]
            children = []
            for child in range(6):
                pid = os.fork()
                if pid == 0:
                    try:
                        for value in range(50):
                            gitml.log_metric(f"child/{child}", value)
                        gitml.log_param(f"child{child}", child)
                        gitml.end_run()
                        os._exit(0 if gitml.active_run() is None else 3)
                    except BaseException:
                        import traceback; traceback.print_exc()
                        os._exit(1)
                children.append(pid)
            codes = [os.waitpid(pid, 0)[1] for pid in children]
            stop.set()
            [thread.join() for thread in threads]
            assert codes == [0] * 6, codes
            assert run.info.status == "RUNNING"
            gitml.log_metric("m", 1)
        print(run.run_id)
        """
    )
    run = mlflow.get_run(done.stdout.strip())
    assert run.info.status == "FINISHED"
    assert run.data.params == {f"child{n}": n for n in range(6)} or sorted(run.data.params.values()) == list(
        range(6)
    )
    for child in range(6):
        assert [p.value for p in mlflow.get_metric_history(run.info.run_id, f"child/{child}")] == list(
            range(50)
        )
    assert [p.value for p in mlflow.get_metric_history(run.info.run_id, "m")] == [0, 1]


def test_a_forked_child_that_leaves_normally_ends_nothing(mlflow, run_script):
    done = run_script(
        """
        import os, sys, gitml
        gitml.start_run()
        pid = os.fork()
        if pid == 0:
            gitml.log_metric("m", 1)
            sys.exit(0)   # runs atexit in the child
        os.waitpid(pid, 0)
        gitml.log_metric("m", 2)
        print(gitml.active_run().run_id)
        """
    )
    run = mlflow.get_run(done.stdout.strip())
    assert run.info.status == "FINISHED"
    assert [p.value for p in mlflow.get_metric_history(run.info.run_id, "m")] == [1, 2]


def test_pool_workers_have_runs_of_their_own(mlflow, run_script):
    for method in ("fork", "spawn"):
        done = run_script(
            f"""
            import json, multiprocessing, gitml
            def train(number):
                run = gitml.active_run() or gitml.start_run(run_name=f"{method}-{{number}}")
                gitml.log_metric("m", number)
                return run.run_id      # left open: the worker's end ends it
            if __name__ == "__main__":
                context = multiprocessing.get_context("{method}")
                workers = []
                queue = context.SimpleQueue()
                with context.Pool(2) as pool:
                    ids = pool.map(train, range(2), chunksize=1)
                    pool.close(); pool.join()
                print(json.dumps(ids))
            """
        )
        for run_id in set(json.loads(done.stdout)):
            assert mlflow.get_run(run_id).info.status == "FINISHED"


def test_data_parallel_children_join_by_id(mlflow, run_script):
    done = run_script(
        """
        import multiprocessing, gitml
        def worker(run_id, rank):
            with gitml.start_run(run_id=run_id):
                for step in range(30):
                    gitml.log_metric(f"rank{rank}/loss", step, step=step)
        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            with gitml.start_run() as run:
                children = [context.Process(target=worker, args=(run.run_id, rank)) for rank in range(3)]
                [child.start() for child in children]
                [child.join() for child in children]
                assert run.info.status == "RUNNING"
                assert [child.exitcode for child in children] == [0, 0, 0]
            print(run.run_id)
        """
    )
    run = mlflow.get_run(done.stdout.strip())
    assert run.info.status == "FINISHED"
    assert set(run.data.metrics) == {f"rank{rank}/loss" for rank in range(3)}
    for rank in range(3):
        assert len(mlflow.get_metric_history(run.info.run_id, f"rank{rank}/loss")) == 30


LATE = """
import os, sys, time
import gitml
if os.fork() == 0:
    os.setsid()
    devnull = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(devnull, fd)
    while os.path.isdir(sys.argv[1]):
        time.sleep(0.05)
    gitml.log_metric("late", 1)
    sys.exit(0)
gitml.log_metric("early", 1)
sys.exit(3)
"""


def test_a_process_left_behind_adds_to_the_run_and_does_not_end_it_again(git_repo, gitml):
    script = git_repo / "late.py"
    script.write_text(LATE)
    live = git_repo / ".git" / "gitml" / "live"
    live.mkdir(parents=True)
    watched = git_repo / ".git" / "gitml" / "watched"
    watched.mkdir()
    gitml(
        git_repo, "run", "--name", "late", "--no-auto-params", sys.executable, "late.py", str(watched), code=3
    )
    watched.rmdir()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        (run,) = json.loads(gitml(git_repo, "log", "--json").stdout)["runs"]
        if "late" in run["metrics"] and not run["live"]:
            break
        time.sleep(0.2)
    assert "late" in run["metrics"]
    assert (run["status"], run["exit_code"]) == ("failed", 3)


def test_equal_small_files_of_many_threads_are_all_kept(mlflow, tmp_path):
    """What is equal in memory can be one object in Python: no name may be made of that."""
    folder = tmp_path / "package"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.py").touch()
    for _ in range(5):
        with mlflow.start_run() as run, ThreadPoolExecutor(4) as pool:
            mlflow.log_artifacts(str(folder))
            texts = [
                pool.submit(mlflow.MlflowClient().log_text, run.run_id, "", f"t{number}")
                for number in range(20)
            ]
            for done in texts:
                done.result()
        assert len(mlflow.artifacts.list_artifacts(run_id=run.run_id)) == 80
