"""What is in the archive, as far as the person who asks may see it: every query carries `visible_projects`."""

from cohortium.find.clinical import ClinicalTable, clinical_tables
from cohortium.find.cohort import Cohort, CohortSubject, cohort
from cohortium.find.consents import ConsentRow, consents
from cohortium.find.growth import Week, growth
from cohortium.find.members import SCAN, SESSION, Member, members
from cohortium.find.observations import Comparison, Observation
from cohortium.find.outlines import Outline, outlines
from cohortium.find.prearchive import Queue, queues, waiting, waiting_in
from cohortium.find.projects import Bar, ProjectCard, project_named, projects
from cohortium.find.resources import FileRow, ResourceRow, place_named, resource_file_of, resource_versions, resources
from cohortium.find.scans import FrameAt, Place, ScanPage, instance, scan
from cohortium.find.studies import Found, Held, Search, further, header_of, header_texts, held, search, was_removed
from cohortium.find.subjects import Page, ScanRow, SessionRow, SubjectRow, siblings, subjects
from cohortium.find.timeline import ClinicalRow, Event, Timeline, timeline

__all__ = [
    "SCAN",
    "SESSION",
    "Bar",
    "ClinicalRow",
    "ClinicalTable",
    "Cohort",
    "CohortSubject",
    "Comparison",
    "ConsentRow",
    "Event",
    "FileRow",
    "Found",
    "FrameAt",
    "Held",
    "Member",
    "Observation",
    "Outline",
    "Page",
    "Place",
    "ProjectCard",
    "Queue",
    "ResourceRow",
    "ScanPage",
    "ScanRow",
    "Search",
    "SessionRow",
    "SubjectRow",
    "Timeline",
    "Week",
    "clinical_tables",
    "cohort",
    "consents",
    "further",
    "growth",
    "header_of",
    "header_texts",
    "held",
    "instance",
    "members",
    "outlines",
    "place_named",
    "project_named",
    "projects",
    "queues",
    "resource_file_of",
    "resource_versions",
    "resources",
    "scan",
    "search",
    "siblings",
    "subjects",
    "timeline",
    "waiting",
    "waiting_in",
    "was_removed",
]
