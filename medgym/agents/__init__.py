"""Agents: whatever has ``act(messages) -> str``; the built-in ones, and how a card or a path names one."""

from .agent import Agent, AgentCard, AgentError, Brief, load_agent, make_agent

__all__ = ["Agent", "AgentCard", "AgentError", "Brief", "load_agent", "make_agent"]
