import pytest
from rich.progress import Progress

from cli.progress import MeasuredRemaining, StageBars, duration


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3840, "1 h 04 min")]
)
def test_durations_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def remaining(clock, progress, task):
    return MeasuredRemaining().render(progress.tasks[task]).plain


def test_the_time_left_is_the_mean_of_the_steps_done_so_far():
    clock = Clock()
    progress = Progress(get_time=clock, disable=True)
    task = progress.add_task("tuning", total=100, resumed_at=0)
    clock.now = 20.0
    progress.update(task, completed=1)
    assert remaining(clock, progress, task) == ""  # one step tells nothing yet
    progress.update(task, completed=10)
    assert remaining(clock, progress, task) == "about 3 min 00 s left"


def test_a_resumed_stage_does_not_count_the_steps_of_an_earlier_run():
    clock = Clock()
    progress = Progress(get_time=clock, disable=True)
    task = progress.add_task("tuning", total=100, resumed_at=80)
    clock.now = 20.0
    progress.update(task, completed=90)
    assert remaining(clock, progress, task) == "about 20 s left"


def test_many_photos_need_one_bar_a_stage(capsys):
    with StageBars() as bars:
        for photo in range(30):
            for stage in ("align", "restore"):
                bars.report(stage, f"photo-{photo}", 0, 2)
                bars.report(stage, f"photo-{photo}", 2, 2)
        tasks = bars._progress.tasks
        assert [task.description for task in tasks] == ["align     photo-29", "restore   photo-29"]
        assert all(task.finished for task in tasks)
    assert capsys.readouterr().err.count("done") == 60  # no terminal: a line for each


def test_each_item_begins_its_own_clock_and_count():
    with StageBars(quiet=True) as bars:
        bars.report("finetune", "photo-0", 5, 10)
        bars.report("finetune", "photo-1", 0, 20)
        (task,) = bars._progress.tasks
        assert (task.completed, task.total, task.fields["resumed_at"]) == (0, 20, 0)


def test_photos_that_are_a_step_each_are_counted_on_one_clock():
    with StageBars() as bars:
        for number in range(1, 4):
            bars.report("align", f"album-{number}", number, 40)
        [task] = bars._progress.tasks
    assert (task.completed, task.total, task.fields["resumed_at"]) == (3, 40, 1)
