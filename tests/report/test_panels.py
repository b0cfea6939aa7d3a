from dlcli.report.panels import Curve, Panel, panel_table, panels

ROWS = [
    {"stage": "pretrain/a", "epoch": 1, "train_loss": 9.0, "gradient_norm/a": 7.0},
    {"stage": "pretrain/b", "epoch": 1, "train_loss": 8.0},
    {"stage": "pretrain/b", "epoch": 2, "train_loss": 7.0},
    {"stage": "supervised", "epoch": 1, "train_loss": 2.0, "train_error": 0.5, "gradient_norm/a": 0.25},
    {"stage": "supervised", "epoch": 2, "train_loss": 1.0, "train_error": 0.4, "gradient_norm/a": 0.125},
    {"stage": "test", "epoch": 2, "test_loss": 1.5, "test_error": 0.45},
]


def test_panels_hold_what_there_is():
    assert panels(ROWS) == [
        Panel("loss", (Curve("train", (1, 2), (2.0, 1.0)), Curve("test", (2,), (1.5,)))),
        Panel("error", (Curve("train", (1, 2), (0.5, 0.4)), Curve("test", (2,), (0.45,)))),
        Panel("pretraining loss", (Curve("a", (1,), (9.0,)), Curve("b", (1, 2), (8.0, 7.0)))),
        Panel("gradient norm", (Curve("a", (1, 2), (0.25, 0.125)),)),
    ]


def test_which_axes_are_logarithmic():
    assert [panel.logarithmic for panel in panels(ROWS)] == [False, False, False, True]


def test_no_rows_no_panels():
    assert panels([]) == []


def test_a_panel_as_text():
    text = panel_table(panels(ROWS)[1])
    assert text == "error\nepoch    train     test\n    1  50.00 %        –\n    2  40.00 %  45.00 %"
