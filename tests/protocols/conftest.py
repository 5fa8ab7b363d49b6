from hypothesis import HealthCheck, settings

# A busy machine is no failure: hypothesis measures time by default.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("untimed")
