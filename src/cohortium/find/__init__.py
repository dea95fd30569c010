"""What is in the archive, as far as the person who asks may see it: every query carries `visible_projects`."""

from cohortium.find.outlines import Outline, outlines
from cohortium.find.projects import Bar, ProjectCard, project_named, projects
from cohortium.find.scans import FrameAt, Place, ScanPage, instance, scan
from cohortium.find.subjects import Page, ScanRow, SessionRow, SubjectRow, siblings, subjects

__all__ = [
    "Bar",
    "FrameAt",
    "Outline",
    "Page",
    "Place",
    "ProjectCard",
    "ScanPage",
    "ScanRow",
    "SessionRow",
    "SubjectRow",
    "instance",
    "outlines",
    "project_named",
    "projects",
    "scan",
    "siblings",
    "subjects",
]
