"""Wage rows to job months, person months and jobs."""

from toolkit.registers.wages.job_months import job_months
from toolkit.registers.wages.jobs import wage_rows_to_jobs
from toolkit.registers.wages.person_months import person_months
from toolkit.registers.wages.stream import stream_job_months

__all__ = ["job_months", "person_months", "stream_job_months", "wage_rows_to_jobs"]
