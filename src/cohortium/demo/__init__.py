"""What `cohortium demo` needs to show the main job on a machine that has no hospital: a made-up one."""
