"""What the gateway tells Prometheus beside what every process does."""

from prometheus_client import Counter, Gauge

WATCHERS = Gauge("asar_live_watchers", "Open streams of the dashboard")
FRAMES = Counter("asar_live_frames_total", "States sent to watchers, once for each of them")
LATE = Counter("asar_live_frames_late_total", "States that a watcher's line had no room for at that moment")
CUT = Counter("asar_live_watchers_cut_total", "Streams ended since nobody read them")
REVISION = Gauge("asar_read_model_revision", "Messages folded into the read model in use")
GENERATION = Gauge("asar_read_model_generation", "Number of the read model in use")
AS_OF = Gauge("asar_read_model_as_of_timestamp_seconds", "When the newest fact in the read model was recorded")
