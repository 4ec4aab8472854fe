"""The drawing keeps to the report's convention."""

from tollproof.reporting.charts import read_chart
from tollproof.rotation.observation import Answer, Observation
from tollproof.rotation.timeline import timeline


def test_a_report_can_draw_it() -> None:
    def lane(*answers: Answer) -> list[Observation]:
        return [
            Observation(sent=100.0 + n, received=100.1 + n, answer=answer)
            for n, answer in enumerate(answers)
        ]

    drawn = timeline(
        "A rotation",
        {"bystander": lane(*[Answer.ADMITTED] * 3), "old key": lane(*list(Answer))},
        marks=[(101.0, "revoked")],
        bands=[(100.0, 101.0, "overlap")],
    )
    chart = read_chart(drawn)
    assert chart is not None
    assert {item.name for item in chart.series} == {
        "let in",
        "refused",
        "throttled",
        "lost",
    }
    assert drawn["marks"] == [{"x": 1.0, "label": "revoked"}]
    assert drawn["series"][0]["points"][0] == [0.0, 1.0]
