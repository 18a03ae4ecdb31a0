"""backfire"""
