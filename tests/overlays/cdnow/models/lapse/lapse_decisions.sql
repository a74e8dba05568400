-- depends_on: {{ ref('lapse_scoring_set') }}
{{ baton.decisions('lapse', predictions=source('lapse', 'predictions'), scoring_set=ref('lapse_scoring_set')) }}
