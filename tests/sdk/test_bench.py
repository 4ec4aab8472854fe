"""Scripts are played once, in an environment that is theirs, and recorded redacted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.playing import checks, opened, verdict
from tests.support import require
from tollproof.errors import Undetermined
from tollproof.model import Exchange, Outcome
from tollproof.sdk.bench import HANGS, bench
from tollproof.sdk.judging import alone, holds
from tollproof.sdk.proving import write_profile
from tollproof.sdk.scenario import Answer, Scenario
from tollproof.sdk.script import call, create, script


def test_a_script_is_played_once_in_a_run(tmp_path: Path) -> None:
    seen: list[Exchange] = []
    with opened(write_profile(tmp_path, None), seen.append) as target:
        first = bench(target("sdk.api-key")).play(alone("api_key"))
        again = bench(target("sdk.url")).play(alone("api_key"))
    assert first is again
    assert len(seen) == len(first.arrivals) == 1
    assert seen[0].check == "sdk.api-key"


def test_credentials_are_made_anew_and_never_recorded(tmp_path: Path) -> None:
    keys = set()
    for _ in range(2):
        seen: list[Exchange] = []
        with opened(write_profile(tmp_path, None), seen.append) as target:
            on = bench(target("sdk.api-key"))
            on.play(alone("oauth"))
            keys.add(on.made["key"])
            texts = repr(seen)
            secrets = [on.made["secret"], *on.play(alone("oauth")).granted]
        assert not any(secret in texts for secret in secrets)
        assert "[redacted:client secret]" in texts
        assert "[redacted:the access token]" in texts
    assert len(keys) == 2


def test_nothing_is_asked_of_a_client_that_was_not_made(tmp_path: Path) -> None:
    with opened(write_profile(tmp_path, None)) as target:
        story = bench(target("")).play(script(create({}), call(), call()))
    assert [step.verb for step in story.performed] == ["create"]
    assert story.raised
    assert story.arrivals == ()


def test_stand_ins_are_filled_in_and_other_texts_left_alone(tmp_path: Path) -> None:
    with opened(write_profile(tmp_path, None)) as target:
        on = bench(target(""))
        plain = on.play(script(create({"api_key": "me@example"}), call()))
        named = on.play(script(create({"token": "Bearer @token"}), call()))
    assert plain.api[0].values("X-Sample-Key") == ("me@example",)
    assert named.api[0].values("Authorization") == (f"Bearer {on.made['token']}",)


def test_a_storm_is_a_story_and_no_harness_error(tmp_path: Path) -> None:
    endless = Scenario(api=(Answer(status=429),), limit=2)
    with opened(write_profile(tmp_path, None)) as target:
        on = bench(target(""))
        story = on.play(script(create({"api_key": "@key"}), call(), scenario=endless))
    assert story.storm
    assert len(story.api) == 2


def test_a_secret_is_found_in_a_form_and_in_basic(tmp_path: Path) -> None:
    with opened(write_profile(tmp_path, None)) as target:
        on = bench(target(""))
        story = on.play(alone("oauth"))
    assert holds(story.tokens[0], on.made["secret"])
    assert not holds(story.tokens[0], on.made["other-secret"])


@pytest.mark.parametrize(
    ("browser", "why"),
    [
        ('driver = "no-such.mjs"', "does not load"),
        ('driver = "broken.mjs"', "does not load"),
        ('driver = "refuses.mjs"', "No client is made in a browser"),
        ('driver = "fine.mjs"\nprogram = ["/no/such/browser"]', "cannot be started"),
    ],
)
def test_a_browser_that_tells_nothing_is_inconclusive(
    tmp_path: Path, browser: str, why: str
) -> None:
    require("chromium")
    (tmp_path / "broken.mjs").write_text("this is no module")
    (tmp_path / "refuses.mjs").write_text(
        "export const create = () => { throw new Error('a mistake'); };\n"
        "export const call = () => {};\n"
    )
    profile = write_profile(tmp_path, None)
    profile.write_text(profile.read_text() + f"\n[sdk.browser]\n{browser}\n")
    with opened(profile) as target:
        found = verdict(target, "sdk.browser-refused")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert why in found.summary


def test_every_check_is_inconclusive_when_the_driver_is_not_there(
    tmp_path: Path,
) -> None:
    profile = write_profile(tmp_path, None)
    text = profile.read_text().replace("{drivers}/sample.py", "/no/such/driver.py")
    profile.write_text(text)
    with opened(profile) as target:
        found = {
            name: verdict(target, name).outcome
            for name in checks()
            if "browser" not in name
        }
    assert set(found.values()) == {Outcome.INCONCLUSIVE}


def test_a_driver_that_always_hangs_is_given_up(tmp_path: Path) -> None:
    profile = write_profile(tmp_path, None)
    (tmp_path / "hangs.py").write_text(
        "import json, sys, time\n"
        "for line in sys.stdin:\n"
        "    asked = json.loads(line)\n"
        "    while asked['do'] == 'create':\n"
        "        time.sleep(60)\n"
        "    reply = {'id': asked['id'], 'ok': True, 'protocol': 1, 'sdk': 'slow'}\n"
        "    print(json.dumps(reply), flush=True)\n"
    )
    text = profile.read_text().replace("{drivers}/sample.py", "{profile}/hangs.py")
    profile.write_text(text.replace("[sdk]", "[sdk]\npatience = 0.5"))
    sentences = []
    with opened(profile) as target:
        for key in range(HANGS + 3):
            asked = script(create({"api_key": str(key)}), call())
            with pytest.raises(Undetermined) as undetermined:
                bench(target("")).play(asked)
            sentences.append(undetermined.value.sentence)
    assert all("did not answer 'create' within 0.5 seconds" in one for one in sentences)
    given_up = [one for one in sentences if one.startswith(f"{HANGS} scripts in a row")]
    assert given_up == sentences[HANGS:]
