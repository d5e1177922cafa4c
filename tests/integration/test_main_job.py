"""The main job: a definition as people have it, LPUSHed over real photographs."""
import copy

SAMPLE = {"version": "0.1", "steps": [
    {"name": "resize", "params": {"width": 640, "height": 640, "keep_aspect": True}},
    {"name": "detect", "params": {"simulate": True, "score_threshold": 0.3}},
    {"name": "filter", "params": {"min_score": 0.5, "label_in": ["person", "car", "cat", "dog"]}},
    {"name": "aggregate", "params": {"format": "json"}}]}


def aggregate_of(fleet, job):
    return fleet.one("SELECT data FROM pixelfleet.step_view WHERE job = %s AND tool = 'aggregate'", job)


def test_the_sample_definition_runs_as_it_stands(running, photographs):
    job = running.submit(SAMPLE, photographs)
    assert running.wait_end(job, 60) == "succeeded", running.explain(job)
    data = aggregate_of(running, job)
    assert data["num_items"] == sum(data["labels"].values())
    assert set(data["labels"]) <= {"person", "car", "cat", "dog"}
    artifacts = running.sql("SELECT artifacts FROM pixelfleet.step_view WHERE job = %s AND step = 'resize'", job)
    assert len(artifacts) == len(photographs)
    assert all(max(a[0]["width"], a[0]["height"]) == 640 for a in artifacts)


def test_the_sample_definition_counts_what_its_filter_let_through(running, photographs):
    job = running.submit(SAMPLE, photographs)
    assert running.wait_end(job, 60) == "succeeded"
    kept = running.sql("SELECT data FROM pixelfleet.step_view WHERE job = %s AND tool = 'filter'", job)
    items = [item for data in kept for item in data["items"]]
    assert all(item["score"] >= 0.5 for item in items)
    assert aggregate_of(running, job)["num_items"] == len(items)


def test_simulated_detection_says_so_and_is_always_the_same(running, photographs):
    jobs = [running.submit(SAMPLE, photographs[:3]) for _ in range(2)]
    assert [running.wait_end(job, 60) for job in jobs] == ["succeeded"] * 2
    found = [running.sql("SELECT data FROM pixelfleet.step_view WHERE job = %s AND tool = 'detect' ORDER BY item", job)
             for job in jobs]
    assert found[0] == found[1]
    assert all("simulat" in str(data) for data in found[0])


def test_aggregate_also_writes_csv_of_label_and_count(running, photographs):
    definition = copy.deepcopy(SAMPLE)
    definition["steps"][-1]["params"]["format"] = "csv"
    job = running.submit(definition, photographs)
    assert running.wait_end(job, 60) == "succeeded", running.explain(job)
    artifacts = running.one("SELECT artifacts FROM pixelfleet.step_view WHERE job = %s AND tool = 'aggregate'", job)
    csv = running.http("GET", f"/api/v1/artifacts/{artifacts[0]['digest']}").body.decode()
    lines = csv.replace("\r\n", "\n").strip().split("\n")
    assert lines[0] == "label,count"
    labels = aggregate_of(running, job)["labels"]
    assert {tuple(line.rsplit(",", 1)) for line in lines[1:]} == {(k, str(v)) for k, v in labels.items()}


def test_the_components_form_runs_too(running, photographs):
    job = running.submit({"components": [
        {"id": "in", "name": "Input", "component_type": "fetch", "parameters": {}, "dependencies": []},
        {"id": "thumb", "name": "Small", "component_type": "thumbnail", "parameters": {"width": 64},
         "dependencies": ["in"]}]}, photographs[:2])
    assert running.wait_end(job, 60) == "succeeded", running.explain(job)
    assert running.steps(job) == {(step, item): "succeeded" for step in ("in", "thumb") for item in (0, 1)}


def test_a_named_pipeline_runs_with_parameters_of_the_submission(running, photographs):
    running.http("POST", "/api/v1/pipelines", {"name": "thumbs", "steps": [
        {"id": "src", "tool": "fetch"},
        {"id": "small", "tool": "thumbnail", "needs": ["src"], "params": {"width": 100}}]})
    job = running.submit("thumbs", photographs[:1], params={"small": {"width": 50}})
    assert running.wait_end(job, 60) == "succeeded", running.explain(job)
    artifacts = running.one("SELECT artifacts FROM pixelfleet.step_view WHERE job = %s AND step = 'small'", job)
    assert max(artifacts[0]["width"], artifacts[0]["height"]) == 50


def test_a_folder_means_the_pictures_in_it(running, photographs):
    job = running.submit([{"id": "src", "tool": "fetch"}, {"id": "size", "tool": "metadata", "needs": ["src"]}],
                         [str(running.pictures)])
    assert running.wait_end(job, 60) == "succeeded", running.explain(job)
    assert running.counts(job)["succeeded"] == 2 * len(photographs)


def test_jobs_end_over_a_unix_socket_of_redis(fleet):
    fleet.settings["REDIS_URL"] = fleet.services.redis.unix_url
    fleet.start_dispatcher()
    fleet.start_worker()
    job = fleet.submit([{"id": "a", "tool": "noop"}], ["http://pictures.invalid/1"])
    assert fleet.wait_end(job) == "succeeded"
