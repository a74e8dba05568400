{{ baton.performance_hourly('lapse', decisions=ref('lapse_decisions'), outcomes=ref('lapse_outcomes')) }}
